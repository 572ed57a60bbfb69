"""Three analyses from nothing to their pictures where a worker has nothing but what it is sent.

One is a package that is installed in editable mode; it is gone from its place while workers work, so that
what they run is what was sent.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import analyses
import condas
import pytest
import running
from packed.foreign import PATIENCE, worker


def install(python: Path, project: Path) -> None:
    """Install a checkout in editable mode, as it is told in the readme of any analysis."""
    quietly = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    condas.run(sys.executable, "-m", "pip", "--python", python, "install", *quietly, "-e", project)


@pytest.fixture
def command(tmp_path: Path) -> str:
    return condas.wq_run_beside(tmp_path)


def pictures(place: Path) -> None:
    """Make the plots of a result."""
    drawn = running.run("show", "out/output.coffea", "-o", "plots", cwd=place, name="wq-report")
    assert drawn.code == 0, drawn.err
    assert list((place / "plots").rglob("*.png"))


@pytest.mark.parametrize(
    "analysis",
    [analyses.one_file, analyses.package, analyses.habits],
    ids=["one file", "a package", "other habits"],
)
def test_from_nothing_to_pictures_with_all_of_it_sent(
    analysis: Callable[[Path], list[str]],
    conda: Path,
    cache: Path,
    workdir: Path,
    tmp_path: Path,
    command: str,
) -> None:
    analyses.samples(tmp_path)
    samples = "fileset.json" if analysis is analyses.habits else "samples.cfg"
    options = [*analysis(tmp_path), "--chunksize", "500"]
    checkout = tmp_path / "checkout"
    pythons = [Path(command).with_name("python"), conda / "bin" / "python"]
    for python in pythons if checkout.exists() else ():
        install(python, checkout)
    environ = {"XDG_CACHE_HOME": str(cache)}
    alone = running.run(
        *options, "-e", "iterative", "-o", "alone", samples, cwd=tmp_path, name=command, **environ
    )
    assert alone.code == 0, alone.out + alone.err
    port = running.free_port()
    sent = ("--port", port, "--environment", conda, "-o", "out")
    with running.running(*options, *sent, samples, cwd=tmp_path, name=command, **environ) as process:
        log = tmp_path / "out" / "journal.jsonl"
        running.until(
            lambda: process.poll() is not None or (log.exists() and "PhaseStarted" in log.read_text()),
            "the run waits for workers",
            patience=PATIENCE,
        )
        away = [(path, path.with_name(f"{path.name}-away")) for path in (conda, checkout) if path.exists()]
        for path, other in away:
            path.rename(other)
        try:
            with worker(port, workdir):
                ended = running.finish(process, timeout=PATIENCE)
        finally:
            for path, other in away:
                other.rename(path)
            if checkout.exists():
                condas.run(conda / "bin" / "python", "-m", "pip", "uninstall", "--quiet", "--yes", "topmine")
    assert ended.code == 0, ended.out + ended.err
    found = analyses.equal(tmp_path / "alone", tmp_path / "out")
    for path in found.get("places", ()):
        assert Path(path).is_relative_to(workdir), path
    pictures(tmp_path)
