"""The real PocketCoffea: `pocket-coffea run` through us, beside its own executors."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import condor
import nanoaod
import pytest
import running
from coffeas.others import PACKING, Other
from documents import snippet

from wq_runner.run_events import Accepted

PLACE = nanoaod.ROOT / ".coffeas" / "pocketcoffea"
PAGE = nanoaod.ROOT / "docs" / "migration" / "pocketcoffea.md"
HERE = Path(__file__).parent
OURS = ("--executor-custom-setup", "work_queue.py", "-e", "work_queue", "-s", 2)
SETUP = "import get_executor_factory"
THEIRS = ("--ignore-grid-certificate=True", "-s", 2)  # else they want one of the grid

pytestmark = pytest.mark.timeout(2 * PACKING)


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Other:
    """Return an analysis in its environment, with the output of its own executor in `iterative`."""
    if not (PLACE / "bin" / "pocket-coffea").exists():
        pytest.skip("no environment with PocketCoffea: environments/setup.sh coffeas makes it")
    place = tmp_path_factory.mktemp("pocket")
    for path in (HERE / "muons.py", *(HERE / "pocket").iterdir()):
        if path.is_file():
            shutil.copy(path, place)
    (place / "work_queue.py").write_text(snippet(PAGE, SETUP))
    (place / "params.yaml").write_text('gate: ""\nscale: 1.5\n')
    found = Other(bin=PLACE / "bin", place=place)
    made = found.run("python", "-c", "import pathlib, muons; muons.write(pathlib.Path())")
    assert made.code == 0, made.err
    metadata = {"year": "2018", "isMC": "True", "xsec": "2.5", "nevents": "1600"}
    datasets = {
        name: {"files": [str(place / f"{name}.root")], "metadata": {**metadata, "sample": name.upper()}}
        for name in ("a", "b")
    }
    (place / "datasets.json").write_text(json.dumps(datasets))
    run(found, "iterative", "-e", "iterative", *THEIRS)
    return found


def words(output: str, *more: object) -> tuple[object, ...]:
    size = () if "-ro" in more else ("-c", 400)
    return ("start.py", "run", "--cfg", "config.py", "-o", output, *size, *more)


def run(pocket: Other, output: str, *more: object, **environ: str) -> str:
    ended = running.finish(pocket.start("python", *words(output, *more), **environ), PACKING)
    assert ended.code == 0, ended.out + ended.err
    return ended.out + ended.err


def is_equal(
    pocket: Other, output: str, expected: str = "iterative", events: tuple[int, int] = (1700, 1500)
) -> bool:
    ended = pocket.run("python", "compare.py", expected, output)
    assert ended.code == 0, ended.out + ended.err
    of_datasets, said = ended.out.splitlines()
    assert of_datasets.split() == list(map(str, events))
    return said == f"{output}: equal"


def in_condor(pocket: Other, pool: condor.Pool) -> dict[str, str]:
    """Return the variables of a shell that has HTCondor's commands."""
    return {
        "PATH": f"{pool.programs}:{pocket.bin}:{os.environ['PATH']}",
        "WQ_TESTS_CONDOR": str(pool.directory),
    }


@pytest.mark.parametrize(
    ("output", "more"),
    [
        ("futures", ("-e", "futures", *THEIRS)),
        ("queue", OURS),
        ("apart", (*OURS, "--process-separately")),
        ("packed", (*OURS, "--environment=packed")),
    ],
)
def test_the_output_is_that_of_its_own_executor(pocket: Other, output: str, more: tuple[object, ...]) -> None:
    run(pocket, output, *more)
    assert is_equal(pocket, output)


@pytest.mark.parametrize(
    ("executor", "more", "output"),
    [
        ("work_queue", "", "page"),
        ("work_queue@lxplus", "--environment=shared", "page-of-lxplus"),  # a packed one has its test
    ],
)
def test_the_lines_of_the_page_have_that_output_too(
    pocket: Other, tmp_path: Path, executor: str, more: str, output: str
) -> None:
    """In a shell that has a `pocket-coffea` which needs no CVMFS, and HTCondor's commands."""
    with condor.pool(tmp_path / "condor", slots=2) as pool:
        program = pool.programs / "pocket-coffea"
        start = shlex.join(map(str, (pocket.bin / "python", pocket.place / "start.py")))
        program.write_text(f'#!/bin/sh\nexec {start} "$@"\n')
        program.chmod(0o755)
        line = snippet(PAGE, f" -e {executor} ").strip()
        started = pocket.start("/bin/sh", "-c", f"{line} {more}", **in_condor(pocket, pool))
        ended = running.finish(started, PACKING)
        assert ended.code == 0, ended.out + ended.err
        submitted = pool.descriptions()
        running.until(lambda: not pool.jobs(), "the end of its jobs")
    assert bool(submitted) is ("@" in executor)
    assert len(submitted) <= 100
    assert all('+JobFlavour = "workday"' in one for one in submitted)
    (pocket.place / "output").rename(pocket.place / output)
    assert is_equal(pocket, output)


RUN_OPTIONS = """
scaleout: 2
chunksize: 300
limit-chunks: 2
skip-bad-files: true
retries: 3
cores-per-worker: 1
mem-per-worker: 3
disk-per-worker: 4GB
queue: espresso
walltime: "6:00:00"
ignore-grid-certificate: true
environment: shared
custom-setup-commands:
  - touch of-the-setup
"""


def test_a_file_of_run_options_means_what_it_does_there(pocket: Other, tmp_path: Path) -> None:
    (pocket.place / "options.yaml").write_text(RUN_OPTIONS.replace("touch ", f"touch {pocket.place}/"))
    (pocket.place / "bad.root").write_bytes(b"no file of ROOT")
    datasets = pocket.place / "datasets.json"
    before = datasets.read_text()
    content = json.loads(before)
    content["b"]["files"].append(str(pocket.place / "bad.root"))
    datasets.write_text(json.dumps(content))
    options = ("-ro", "options.yaml", "--executor-custom-setup", "work_queue.py", "-e")
    try:
        run(pocket, "limited", *options, "iterative")
        with condor.pool(tmp_path / "condor", slots=2) as pool:
            said = run(pocket, "in-condor", *options, "condor@lxplus", **in_condor(pocket, pool))
            submitted = pool.descriptions()
            running.until(lambda: not pool.jobs(), "the end of its jobs")
    finally:
        datasets.write_text(before)
    assert is_equal(pocket, "in-condor", "limited", events=(568, 600))
    assert "bad.root" in said
    assert "run options: retries: " in said
    assert (pocket.place / "of-the-setup").exists()
    assert len(submitted) == 2
    for line in (
        "request_cpus = 1", "request_memory = 3072", '+JobFlavour = "espresso"', "+MaxRuntime = 21600",
    ):  # fmt: skip
        assert all(line in one.splitlines() for one in submitted), submitted


def test_the_processor_of_a_configuration_runs_in_wq_run(pocket: Other) -> None:
    (pocket.place / "analysis.py").write_text(snippet(PAGE, "cfg.load()"))
    options = ("-p", "analysis.py:processor", "-w", "local:2", "-c", 400, "-o", "of-wq-run")
    ended = running.finish(pocket.start("wq-run", *options, "datasets.json"), PACKING)
    assert ended.code == 0, ended.out + ended.err
    shutil.copy(
        pocket.place / "of-wq-run" / "output.coffea", pocket.place / "of-wq-run" / "output_all.coffea"
    )
    assert is_equal(pocket, "of-wq-run")


@contextlib.contextmanager
def gated(pocket: Other, output: str) -> Iterator[None]:
    """Let chunks that do not begin a file wait for the end of the block."""
    gate = pocket.place / f"{output}.gate"
    params = pocket.place / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace('""', f'"{gate}"'))
    try:
        yield
    finally:
        gate.mkdir()  # no file, whose content would count


def kill_one(pocket: Other, output: str, *more: object) -> None:
    """Kill a run that has one chunk at least."""
    with gated(pocket, output):
        process = pocket.start("python", *words(output, *more))
        try:
            kept = pocket.place / output / "wq-runner"
            running.until(
                lambda: _accepted(kept) or _ended(process.poll()),
                "a first chunk",
                patience=3 * running.PATIENCE,
            )
        finally:
            process.kill()
            process.communicate()


def _accepted(kept: Path) -> bool:
    return any(isinstance(one, Accepted) and one.category == "processing" for one in running.events_of(kept))


def _ended(code: int | None) -> bool:
    assert code is None, f"it ended with {code}"
    return False


def test_what_was_killed_goes_on_and_what_was_changed_does_not(pocket: Other) -> None:
    kill_one(pocket, "killed", *OURS)
    said = run(pocket, "killed", *OURS)
    assert "resuming: " in said
    assert is_equal(pocket, "killed")

    kill_one(pocket, "changed", *OURS)
    workflow = pocket.place / "workflow.py"
    text = workflow.read_text()
    workflow.write_text(text.replace("SIZE = 1.1", "SIZE = 1.2"))
    try:
        said = run(pocket, "changed", *OURS)
    finally:
        workflow.write_text(text)
    assert "starting over" in said
    assert not is_equal(pocket, "changed")


def test_pip_changed_no_version_that_was_there(pocket: Other) -> None:
    before, after = (set((PLACE / one).read_text().split()) for one in ("before", "after"))
    assert any(one.startswith("pocket_coffea==") for one in before)
    assert before <= after
    del pocket
