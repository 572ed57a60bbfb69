"""Finished results are never thrown away: what was made of other code or options is kept, and found again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import running
from coffea import processor

import wq_runner

COMMON = ("--schema", "BaseSchema", "-e", "iterative", "-o", "out", "samples.json")

COUNT = """
from pathlib import Path

from coffea import processor

class Count(processor.ProcessorABC):
    def __init__(self, factor: int = 1):
        self.factor = factor

    def process(self, events):
        Path(__file__).with_name("ran").write_text("x")
        return {"entries": self.factor * len(events)}

    def postprocess(self, accumulator):
        return accumulator
"""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return the directory of a run that is complete."""
    files = [str(nanoaod.write_simple(tmp_path / f"{number}.root", 100)) for number in range(2)]
    samples = {name: {"files": [file], "metadata": {}} for name, file in zip("AB", files, strict=True)}
    (tmp_path / "samples.json").write_text(json.dumps(samples))
    (tmp_path / "count.py").write_text(COUNT)
    run(tmp_path / "out")
    return tmp_path / "out"


def run(out: Path, *options: str, processor: str | None = "count.py:Count", code: int = 0) -> str:
    """Run, and return what was printed."""
    named = ("-p", processor) if processor else ()
    ended = running.run(*COMMON, *named, *options, cwd=out.parent)
    assert ended.code == code, ended.out + ended.err
    return ended.out


def again(out: Path, *options: str) -> Any:
    """Go back to a result, which must not run anything, and return it."""
    ran = out.parent / "ran"
    ran.unlink(missing_ok=True)
    assert "is there already" in run(out, *options)
    assert not ran.exists()
    return running.output(out)["entries"]


def kept(out: Path) -> list[Path]:
    return sorted((out / "results").iterdir()) if (out / "results").exists() else []


def test_a_forgotten_processor_and_a_typo(out: Path) -> None:
    said = run(out, processor=None)
    (before,) = kept(out)
    assert f"was moved to out/results/{before.name}/" in said
    assert running.output(before)["entries"] == 200
    (out.parent / "count.py").write_text(COUNT.replace("len(events)", "len(event)"))
    run(out, code=6)
    assert len(kept(out)) == 2  # the survey as well, and no start that did nothing
    (out.parent / "count.py").write_text(COUNT)
    assert again(out) == 200
    (survey,) = kept(out)
    assert survey.name.startswith("survey-")


def test_a_copy_is_kept_before_stale_results_are_mixed(out: Path) -> None:
    """Until then it was of one code; the start after the mix does not run it again."""
    samples = json.loads((out.parent / "samples.json").read_text())
    more = {
        **samples,
        "C": {"files": [str(nanoaod.write_simple(out.parent / "2.root", 100))], "metadata": {}},
    }
    (out.parent / "samples.json").write_text(json.dumps(more))
    (out.parent / "count.py").write_text(COUNT.replace("self.factor *", "self.factor * 10 *"))
    said = run(out, "--accept-stale")
    assert running.output(out)["entries"] == 200 + 1000
    (copy,) = kept(out)
    assert f"is in out/results/{copy.name}/" in said
    assert running.output(copy)["entries"] == 200
    assert running.summary(copy)["stale"] == []
    assert again(out, "--accept-stale") == 200 + 1000
    assert kept(out) == [copy]
    run(out)  # of the new code alone
    assert running.output(out)["entries"] == 3000
    (out.parent / "samples.json").write_text(json.dumps(samples))
    (out.parent / "count.py").write_text(COUNT)
    assert again(out) == 200
    assert running.summary(out)["stale"] == []


def test_going_back_brings_the_result_to_where_it_is_staged_out(out: Path) -> None:
    there = out.parent / "there"
    stage = ("--stage-out", str(there))
    for factor in (1, 2):
        run(out, "--processor-args", f"factor={factor}", *stage)
    ran = out.parent / "ran"
    ran.unlink()
    for factor in (1, 2, 1):
        said = run(out, "--processor-args", f"factor={factor}", *stage)
        assert "staged out" in said
        assert running.output(there)["entries"] == 200 * factor == running.output(out)["entries"]
        assert (there / "output.coffea").read_bytes() == (out / "output.coffea").read_bytes()
        assert running.summary(there)["complete"]
        assert sorted(path.name for path in there.iterdir()) == [
            "output.coffea",
            "run.json",
            "wq-run-owner.json",
        ]
    assert not ran.exists()


class Scaled(processor.ProcessorABC):
    """Counts events, and how often it was called."""

    calls = 0

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def process(self, events: Any) -> Any:
        type(self).calls += 1
        return {"entries": self.factor * len(events)}

    def postprocess(self, accumulator: Any) -> Any:
        return accumulator


def test_there_and_back_in_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other arguments, with fewer datasets, and in what is read of it."""
    monkeypatch.chdir(tmp_path)
    datasets = {
        name: {"files": [str(nanoaod.write_simple(tmp_path / f"{name}.root", 100))], "treename": "Events"}
        for name in "AB"
    }

    def scaled(factor: int, **options: Any) -> tuple[Any, int]:
        """Return the result, and how many chunks were run for it."""
        before = Scaled.calls
        found = wq_runner.run(
            datasets,
            Scaled(factor),
            schema="BaseSchema",
            executor="iterative",
            output="out",
            environment="shared",
            **options,
        )
        assert found.complete
        return found.output["entries"], Scaled.calls - before

    out = tmp_path / "out"
    assert scaled(20) == (4000, 2)
    assert scaled(30) == (6000, 2)
    (before,) = kept(out)
    shown = running.run("show", before, cwd=tmp_path, name="wq-report")
    assert shown.code == 0, shown.err
    listed = running.run("out", cwd=tmp_path, name="wq-status")
    assert f"out/results/{before.name}/" in listed.out
    merged = running.run("merge", "out", before, "-o", "sum", cwd=tmp_path, name="wq-report")
    assert "differ in" in merged.error
    assert scaled(20) == (4000, 0)
    assert scaled(20, only=("A",)) == (2000, 0)
    assert scaled(20) == (4000, 0)
    assert scaled(30) == (6000, 0)
    assert len(kept(out)) == 2
    assert scaled(30, keep_results=0) == (6000, 0)
    assert kept(out) == []
