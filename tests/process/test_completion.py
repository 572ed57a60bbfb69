"""The tab key, in real shells."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest
import running

from wq_runner.cli import completion

PROGRAMS = str(Path(sys.executable).parent)
SHELLS = ("bash", "zsh", "fish")

SAMPLES = '{"DYJets": {"files": {"dy.root": "Events"}}, "DoubleMuon": {"files": {"mu.root": "Events"}}}'

# how each shell is started without the settings of a user, and told what completes
START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source ./completion"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -d ./dump; source ./completion"),
    "fish": (["fish", "--no-config", "-i"], "source ./completion"),
}

needs = pytest.mark.parametrize(
    "shell",
    [
        pytest.param(one, marks=pytest.mark.skipif(not shutil.which(one), reason=f"there is no {one} here"))
        for one in SHELLS
    ],
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "fileset.json").write_text(SAMPLES)
    (tmp_path / "jobs").mkdir()
    return tmp_path


class Terminal:
    """A shell on a pseudo-terminal."""

    def __init__(self, shell: str, place: Path) -> None:
        script = running.run("completion", shell, cwd=place)
        assert script.code == 0, script.err
        (place / "completion").write_text(script.out)
        command, setup = START[shell]
        self._ours, theirs = pty.openpty()
        environ = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "HOME": str(place)}
        environ |= {"TERM": "xterm", "PS1": "> ", "COLUMNS": "200", "LINES": "50", "ZDOTDIR": str(place)}
        environ |= {f"XDG_{one}_HOME": str(place / "home") for one in ("CONFIG", "DATA")}
        command = ["setsid", "--ctty", *command]  # fish wants a terminal of its own
        self._process = subprocess.Popen(
            command, cwd=place, env=environ, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self.said = ""
        self.types(f"{setup}; echo re''ady\n")
        self.until("ready")

    def types(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def until(self, pattern: str) -> re.Match[str]:
        """Wait until the shell has said this, and forget what it said."""
        end = time.monotonic() + running.PATIENCE
        while not (match := re.search(pattern, self.said)):
            assert time.monotonic() < end, f"no {pattern} in {self.said}"
            if select.select([self._ours], [], [], 1.0)[0]:
                try:
                    self.said += os.read(self._ours, 1 << 16).decode(errors="replace")
                except OSError as error:
                    raise AssertionError(f"the shell ended: {self.said}") from error
        self.said = ""
        return match

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


CASES = {
    "wq-run --chunks": "wq-run --chunksize",
    "wq-run -e it": "wq-run -e iterative",
    "wq-run -w cmsco": "wq-run -w cmsconnect",
    "wq-run -w condor@lx": "wq-run -w condor@lxplus",
    "wq-run files": "wq-run fileset.json",
    "wq-run fileset.json --only DY": "wq-run fileset.json --only DYJets",
    "wq-run export slurm --files-p": "wq-run export slurm --files-per-job",
    "wq-run explain no-": "wq-run explain no-workers",
    "wq-samples conv": "wq-samples convert",
    "wq-env che": "wq-env check",
    "wq-workers sites show lx": "wq-workers sites show lxplus",
    "wq-status --wa": "wq-status --watch",
    "wq-report mer": "wq-report merge",
    "wq-report job": "wq-report jobs",
}


@needs
def test_the_tab_key(shell: str, place: Path) -> None:
    terminal = Terminal(shell, place)
    try:
        for typed, whole in CASES.items():
            if shell == "bash" and "@" in typed:
                continue  # a new word begins there for bash
            # the line that came of it is not run, but shown
            terminal.types(f"{typed}\t\x01echo LINE=\n")
            assert terminal.until(r"[\r\n]LINE=([^\r\n]*)\r").group(1).rstrip("/ ") == whole
    finally:
        terminal.close()


def test_every_command_is_completed(place: Path) -> None:
    scripts = metadata.entry_points(group="console_scripts")
    names = [one.name for one in scripts if one.name.startswith("wq-")]
    assert sorted(names) == sorted(completion.COMMANDS)
    for shell in SHELLS:
        script = running.run("completion", shell, cwd=place)
        assert all(f"_{name.replace('-', '_').upper()}_COMPLETE" in script.out for name in names)
    assert "Did you mean bash?" in running.run("completion", "bsh", cwd=place).error


def test_a_broken_file_of_options_or_samples_says_nothing(place: Path) -> None:
    (place / "pyproject.toml").write_text("[tool.wq-runner]\nchunk = = 1\n")
    (place / "fileset.json").write_text("{")
    for words, offered in (("wq-run --min-c", "plain,--min-chunk"), ("wq-run fileset.json --only D", "")):
        environ = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        asked = running.run(cwd=place, _WQ_RUN_COMPLETE="bash_complete", **environ)
        assert (asked.code, asked.out.strip(), asked.err) == (0, offered, "")


ASKED = """
import os, sys
from wq_runner.cli import run
os.environ |= {"_WQ_RUN_COMPLETE": "bash_complete", "COMP_WORDS": "wq-run x.json --only D", "COMP_CWORD": "3"}
try:
    run.cli.main(prog_name="wq-run")
except SystemExit:
    print(sorted({"coffea", "awkward", "numpy", "uproot", "rich", "dask"} & sys.modules.keys()))
"""


def test_nothing_heavy_is_imported() -> None:
    """The tab key is answered at once."""
    done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
