"""Three analyses from nothing to their pictures, by the lines of the documents: here and on a Slurm."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import analyses
import hist
import nanoaod
import pytest
import running
from coffea.util import load
from conftest import Follow
from slurm import Slurm

EVENTS = 1500


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with samples in two of the ways that they are written down."""
    fileset = {}
    for kind in ("DYJetsToLL", "DoubleMuon"):
        [path] = nanoaod.write_dataset(tmp_path / "data" / kind, kind, events=EVENTS)
        is_data = kind == "DoubleMuon"
        sample = {"files": [str(path)], "isData": is_data, "histAxisName": kind, "xsec": 1.0, "year": "2018"}
        (tmp_path / f"{kind}.json").write_text(json.dumps(sample))
        fileset[kind] = {
            "files": {str(path): "Events"},
            "metadata": {"isData": is_data, "histAxisName": kind},
        }
    (tmp_path / "samples.cfg").write_text("DYJetsToLL.json\nDoubleMuon.json\n")
    (tmp_path / "fileset.json").write_text(json.dumps(fileset))
    return tmp_path


def bins(histogram: hist.Hist) -> dict[tuple[str, ...], list[float]]:
    """Return the contents by their categories, which stand in the order in which chunks came."""
    names = [axis.name for axis in histogram.axes if isinstance(axis, hist.axis.StrCategory)]
    keys = itertools.product(*(histogram.axes[name] for name in names))
    found = {key: histogram[dict(zip(names, key, strict=True))] for key in keys}
    return {key: pytest.approx(one.values(flow=True).tolist()) for key, one in found.items()}


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
    place: Path,
    cluster: Slurm,
    follow: Follow,
) -> None:
    options = [*analysis(place), "--chunksize", "500"]
    environ = {"PYTHONPATH": str(place)}
    # a worker has the packages of this machine, and the analysis as it is sent
    lines = {"alone": ["-e", "iterative"], "out": ["-w", *workers, "--environment", "none"]}
    for name, more in lines.items():
        with follow("wq-run", *options, *more, "-o", name, samples, **environ) as run:
            run.ends_well()
    alone, found = (load(place / name / "output.coffea") for name in lines)
    assert found.get("cuts") == alone.get("cuts")
    [name] = {"ht", "pt"} & found.keys()
    assert sum(map(sum, (one.expected for one in bins(found[name]).values()))) > 0
    assert {key: one.expected for key, one in bins(found[name]).items()} == bins(alone[name])
    drawn = running.run("show", "out/output.coffea", "-o", "plots", cwd=place, name="wq-report", **environ)
    assert drawn.code == 0, drawn.err
    assert list((place / "plots").rglob("*.png"))
    running.until(lambda: not cluster.jobs(), "no job is left")
