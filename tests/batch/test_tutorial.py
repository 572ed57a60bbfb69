"""The tutorial: every block of it, in its order, in one directory, with a real Slurm."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nanoaod
import pytest
import running
from batch.slurm import Slurm
from releases import makes_setup

PAGE = nanoaod.ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
TITLE = re.compile(r"# ([\w.]+)\n")
CODE = re.compile(r"  # exit code (\d+)$")
PATIENCE = 200.0  # for one command, on a busy machine


@dataclass(frozen=True, kw_only=True)
class Block:
    language: str
    text: str


def blocks() -> Iterator[Block]:
    for language, text in BLOCK.findall(PAGE.read_text()):
        yield Block(language=language, text=text)


class Shell:
    """One shell, as a reader has it: directory and variables stay from block to block."""

    def __init__(self, directory: Path) -> None:
        # what the tests of other runs set is not there for a reader
        environ = {key: value for key, value in os.environ.items() if not key.startswith("WQ_RUNNER_")}
        with (directory / "said").open("wb") as stream:
            self.process = subprocess.Popen(
                ["bash", "--norc"],
                cwd=directory,
                env={**environ, "VIRTUAL_ENV": "", "PYTHONUNBUFFERED": "1", "COLUMNS": "120"},
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.log, self.end, self.count = directory / "said", directory / "ended", 0

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; return its exit code and what it said."""
        assert self.process.stdin
        before = self.log.stat().st_size
        self.count += 1
        ended = self.end.with_name(f"ended-{self.count}")
        self.process.stdin.write(
            f"{{ {command}\n}} </dev/null; echo $? > {ended}.new; mv {ended}.new {ended}\n"
        )
        self.process.stdin.flush()
        running.until(lambda: ended.exists() or self.process.poll() is not None, command, PATIENCE)
        said = self.log.read_bytes()[before:].decode(errors="replace")
        assert ended.exists(), said
        return int(ended.read_text()), said

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)  # and what it runs
            self.process.wait()


def plain(text: str) -> str:
    """Make numbers and spaces the same everywhere: they differ from machine to machine."""
    return re.sub(r"\s+", " ", re.sub(r"\d[\d,.]*", "0", text)).strip()


def says(said: str, line: str) -> bool:
    """Tell whether a line of the page was said; `...` stands for anything."""
    pattern = ".*".join(re.escape(plain(part)) for part in line.split("..."))
    return any(re.search(pattern, plain(one)) for one in said.splitlines())


def test_pages_that_say_too_much_are_found() -> None:
    assert says(
        "complete     12 of 12 events in 3 s (4/s)", "complete 300,000 of 300,000 events in ... s ..."
    )
    assert not says("partial      12 of 12 events in 3 s", "complete     12 of 12 events in ... s")


@makes_setup
@pytest.mark.timeout(900)
def test_every_block(cluster: Slurm, tmp_path: Path) -> None:
    (tmp_path / "wq-runner").symlink_to(nanoaod.ROOT)
    shell, here, said = Shell(tmp_path), tmp_path, ""
    try:
        for block in blocks():
            if block.language == "text":
                for line in block.text.splitlines():
                    assert says(said, line), f"it did not say\n{line}\nbut\n{said}"
            elif title := TITLE.match(block.text):
                (here / title[1]).write_text(block.text[title.end() :])
            else:
                assert block.language == "sh", block
                said = ""
                for line in block.text.splitlines():
                    match = CODE.search(line)
                    code, more = shell.run(CODE.sub("", line))
                    said += more
                    assert code == (int(match[1]) if match else 0), f"{line}\n{more}"
                here = Path(f"/proc/{shell.process.pid}/cwd").resolve()
    finally:
        shell.close()
        running.until(lambda: not cluster.jobs(), "no job is left", PATIENCE)
    assert here == tmp_path / "zpeak"
    assert (here / "zpeak.png").read_bytes().startswith(b"\x89PNG")
    assert running.summary(here / "wq-run-slurm")["complete"]
    made = running.output(here / "wq-run-slurm")
    ZPeak = nanoaod.load(here / "analysis.py").ZPeak  # noqa: N806 - a class
    for name, result in made.items():
        files = sorted((here / "data").glob(f"{name}_*.root"))
        events = [nanoaod.read(path, dataset=name, isData=name == "DoubleMuon") for path in files]
        alone = [ZPeak().process(one)[name] for one in events]
        assert result["sumw"] == pytest.approx(sum(one["sumw"] for one in alone), rel=1e-9)
        total = sum(one["mass"].values() for one in alone)
        assert result["mass"].values() == pytest.approx(total, rel=1e-9)
