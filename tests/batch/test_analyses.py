"""Three analyses from nothing to their pictures, by the lines of the documents: here and on a Slurm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import analyses
import pytest
import running
from batch.following import Follow
from batch.slurm import Slurm


@pytest.mark.parametrize(
    ("analysis", "samples", "workers"),
    [
        (analyses.one_file, "samples.cfg", ["slurm:1x1x1GB"]),
        (analyses.package, "samples.cfg", ["slurm:1x1x1GB"]),
        (analyses.habits, "fileset.json", ["local"]),  # as many as its file says
    ],
    ids=["one file", "a package", "other habits"],
)
def test_from_nothing_to_pictures(
    analysis: Callable[[Path], list[str]],
    samples: str,
    workers: list[str],
    tmp_path: Path,
    cluster: Slurm,
    follow: Follow,
) -> None:
    analyses.samples(tmp_path)
    options = [*analysis(tmp_path), "--chunksize", "500"]
    environ = {"PYTHONPATH": str(tmp_path / "checkout")}
    # a worker has the packages of this machine, and the analysis as it is sent
    lines = {"alone": ["-e", "iterative"], "out": ["-w", *workers, "--environment", "none"]}
    for name, more in lines.items():
        with follow("wq-run", *options, *more, "-o", name, samples, **environ) as run:
            run.ends_well()
    analyses.equal(tmp_path / "alone", tmp_path / "out")
    drawn = running.run("show", "out/output.coffea", "-o", "plots", cwd=tmp_path, name="wq-report", **environ)
    assert drawn.code == 0, drawn.err
    assert list((tmp_path / "plots").rglob("*.png"))
    running.until(lambda: not cluster.jobs(), "no job is left")
