"""A package in editable mode, as analyses are installed: local workers run it as it is, plots and all."""

from __future__ import annotations

import sys
from pathlib import Path

import analyses
import condas
import pytest
import running

PIP = (sys.executable, "-m", "pip", "--python")
INSTALL = ("install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "-e")


@pytest.fixture
def command(tmp_path: Path) -> str:
    return condas.wq_run_beside(tmp_path)


def test_an_editable_package_with_workers_of_this_machine(tmp_path: Path, command: str) -> None:
    """What is edited between two runs is what the second one runs."""
    analyses.samples(tmp_path)
    options = [*analyses.package(tmp_path), "--chunksize", "500"]
    condas.run(*PIP, Path(command).with_name("python"), *INSTALL, tmp_path / "checkout")
    for round_ in ("first", "edited"):
        if round_ == "edited":
            objects = tmp_path / "checkout" / "topmine" / "modules" / "objects.py"
            objects.write_text(objects.read_text().replace("> 10", "> 25"))
        for name, more in {"alone": ["-e", "iterative"], "out": ["-w", "local:2"]}.items():
            ended = running.run(
                *(*options, *more, "-o", f"{name}-{round_}", "samples.cfg"), cwd=tmp_path, name=command
            )
            assert ended.code == 0, ended.out + ended.err
        found = analyses.equal(tmp_path / f"alone-{round_}", tmp_path / f"out-{round_}")
        assert all("checkout" in Path(path).parts for path in found["places"])
    with pytest.raises(AssertionError):
        analyses.equal(tmp_path / "out-first", tmp_path / "out-edited")
    (tmp_path / "out-edited").rename(tmp_path / "out")
    drawn = running.run("show", "out/output.coffea", "-o", "plots", cwd=tmp_path, name="wq-report")
    assert drawn.code == 0, drawn.err
    assert list((tmp_path / "plots").rglob("*.png"))
