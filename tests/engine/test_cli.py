"""What users see: in a terminal, in a log, and when they or their machine make a mistake."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nanoaod
import pytest
import running

SUMS = ("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema")
HERE = ("-e", "iterative", "-o", "out")
WAITING = (
    "note",
    "processor",
    "workers",
    "catalog",
    "environment",
)  # labels of what is waited for before a run begins


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    nanoaod.write_simple(tmp_path / "data" / "a.root", 40)
    return tmp_path / "data"


def test_version_names_everything_that_matters(tmp_path: Path) -> None:
    ended = running.run_well("--version", cwd=tmp_path)
    ours, coffea, engine = ended.out.splitlines()
    assert ours == f"wq-runner {importlib.metadata.version('wq-runner')}"
    assert coffea == f"coffea {importlib.metadata.version('coffea')}"
    assert engine.startswith("work queue ")
    assert engine.split()[2][0].isdecimal()


def test_bars_in_a_terminal(samples: Path, tmp_path: Path) -> None:
    ended = running.on_terminal(*SUMS, *HERE, "--chunksize", 5, samples, cwd=tmp_path)
    assert ended.code == 0, ended.out
    assert "━━" in ended.out
    lines = ended.out.splitlines()
    # its bar when it is done, which a busy machine may not have drawn, or its line of the table
    rows = [line for line in lines if line.startswith("data") and "40" in line]
    assert any("done" in line or "yes" in line for line in rows), lines
    assert any(line.startswith("complete     40 of 40 events in ") for line in lines), lines


def test_a_narrow_terminal(samples: Path, tmp_path: Path) -> None:
    ended = running.on_terminal(*SUMS, *HERE, samples, cwd=tmp_path, columns=50)
    assert ended.code == 0, ended.out
    assert "complete     40 of 40 events" in ended.out


def test_plain_lines_in_a_log(samples: Path, tmp_path: Path) -> None:
    ended = running.run_well(*SUMS, *HERE, samples, cwd=tmp_path)
    assert ended.err == ""
    assert "\x1b" not in ended.out
    assert "━" not in ended.out
    assert "\r" not in ended.out
    labels = [line.split()[0] for line in ended.lines if line and line[0] != " "]
    begin = ["samples", "processor", "environment", "chunks", "workers", "note", "output"]
    assert labels[: len(begin)] == begin  # the note is what this executor lacks
    assert "processing" in labels
    assert labels.index("complete") < len(labels) - 1


def test_output_that_nobody_reads(samples: Path, tmp_path: Path) -> None:
    # `wq-run --show-options | head -1`
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [running.program("wq-run"), "--show-options"],
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert done.stderr == b""


# -- mistakes: an exit code, one clear message, no traceback --


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("missing.cfg",), 2, "missing.cfg has a problem\n  missing.cfg   no such file"),
        (("--chunk-size", "5", "data"), 2, "no option --chunk-size. Did you mean --chunksize?"),
        (("-p", "mine.py:Mien", "data"), 2, "mine.py has no Mien. Did you mean Mine?"),
        (
            ("-p", "mien.py:Mine", "data"),
            2,
            "the processor's file mien.py does not exist. Did you mean mine.py?",
        ),
        (("-p", "absent.module:Mine", "data"), 2, "no module absent for the processor absent.module"),
        (("-p", "fails.py:Mine", "data"), 6, "the processor fails.py cannot be imported\n"),
        (("--schema", "NanoSchema", "data"), 2, "no schema NanoSchema. Did you mean NanoAODSchema?"),
        (("--workers", "locl:2", "data"), 2, "no workers 'locl'. Did you mean local?"),
        (("-o", "/proc/out", "data"), 2, "/proc/out cannot be used for the output: "),
        (("-o", "mine.py", "data"), 2, "mine.py cannot be used for the output: File exists"),
        (("empty",), 2, ""),
        ((), 2, "SAMPLES are missing"),
    ],
)
def test_mistakes(samples: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    (tmp_path / "mine.py").write_text("def Mine(events): return {}\n")
    (tmp_path / "fails.py").write_text("import nothere\n")
    (tmp_path / "empty").mkdir()
    ended = running.run(*arguments, cwd=tmp_path)
    assert ended.code == code, ended.err
    assert ended.error.startswith(f"error: {said}")
    # what it waits for is said, and that no catalog answers; nothing else was begun
    begun = [line for line in ended.lines if line[:1].strip() and line.split()[0] not in WAITING]
    assert begun == []


def test_tls_where_the_engine_has_it(samples: Path, tmp_path: Path) -> None:
    import ndcctools.work_queue as wq

    ended = running.run(
        *SUMS, "--port", 0, "--tls", "--workers", "local:1", "-o", "out", samples, cwd=tmp_path
    )
    if hasattr(wq, "work_queue_ssl_create"):
        assert ended.code == 0, ended.err
        assert running.output(tmp_path / "out")
    else:
        assert ended.code == 5, ended.err
        assert "the queue could not start with TLS: this release of the engine has no TLS" in ended.err
        assert "conda-forge" in ended.err


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_directory_that_cannot_be_written(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    ended = running.run(*SUMS, "-o", "locked/out", samples, cwd=tmp_path)
    assert ended.code == 2
    assert "locked/out cannot be used for the output: Permission denied" in ended.error


def test_a_processor_that_fails_is_shown_with_its_own_lines(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def mine(events):\n    return {'n': events.y}\n")
    for executor in (("-e", "iterative"), ("-w", "local:1")):
        ended = running.run(
            "-p", "mine.py:mine", "--schema", "BaseSchema", *executor, "-o", "out", samples, cwd=tmp_path
        )
        assert ended.code == 6
        assert ended.err.count("return {'n': events.y}") == 1
        assert "first seen in data, a.root, events 0-40" in ended.error
        # the last words are the command that runs just this chunk here
        last = ended.error.splitlines()[-1]
        assert last.endswith(f"{samples} -e iterative --select data:a.root:0-40 -o out-debug")
        assert "coffea/processor" not in ended.err
        found = running.summary(tmp_path / "out")
        assert (found["exit_code"], found["complete"]) == (6, False)
        assert not (tmp_path / "out" / "output.coffea").exists()


# -- a full disk --


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 400 kB, where this user may."""
    place = tmp_path / "small"
    place.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "none", place], capture_output=True, check=False
    )
    if mount.returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_disk_that_is_full(samples: Path, tmp_path: Path, small_disk: Path) -> None:
    (small_disk / "other").write_bytes(bytes(390_000))
    ended = running.run(*SUMS, "-e", "iterative", "-o", small_disk / "out", samples, cwd=tmp_path)
    assert ended.code == 2
    assert "cannot be used for the output: No space left on device" in ended.error


@pytest.mark.parametrize("executor", [("-e", "iterative"), ("-w", "local:1")], ids=["here", "worker"])
def test_a_disk_that_fills_up(
    samples: Path, tmp_path: Path, small_disk: Path, executor: tuple[str, ...]
) -> None:
    (tmp_path / "large.py").write_text(
        "import numpy as np\n"
        "def large(events):\n"
        "    rng = np.random.default_rng(len(events))\n"
        "    return {'noise': rng.random(1_000_000)}\n"
    )
    options = ("-p", "large.py:large", "--schema", "BaseSchema", "--chunksize", 10, *executor)
    ended = running.run(*options, "-o", small_disk / "out", samples, cwd=tmp_path)
    assert ended.code == 2, ended.err
    assert str(small_disk) in ended.error
    assert "No space left on device" in ended.error
    assert not (small_disk / "out" / "output.coffea").exists()


def test_a_disk_that_takes_no_more(samples: Path, tmp_path: Path) -> None:
    """The same for users who may not mount: no file may grow beyond a limit."""
    (tmp_path / "large.py").write_text(
        "import numpy as np\n"
        "def large(events):\n"
        "    return {'noise': np.random.default_rng(len(events)).random(1_000_000)}\n"
    )
    command = [running.program("wq-run"), "-p", "large.py:large", "--schema", "BaseSchema", *HERE, "data"]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 2000; exec "$@"', "bash", *command],
        cwd=tmp_path,
        env={**os.environ, **running.SETTINGS},
        capture_output=True,
        text=True,
        timeout=running.PATIENCE,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
