"""What is in the result of a run so far, looked at by another process that the run does not notice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import running

from wq_runner.results import filling
from wq_runner.system import RunPaths

GATED = ("-p", f"{running.ANALYSIS}:Gated", "--schema", "BaseSchema", "-e", "iterative", "--chunksize", 50)


def peek(*arguments: object, cwd: Path) -> running.Ended:
    return running.run("peek", *arguments, cwd=cwd, name="wq-report")


def load(path: Path) -> Any:
    from coffea.util import load

    return load(path)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Return two datasets of a file of four chunks, of which the first is done before the gate opens."""
    fileset = {
        name: [str(nanoaod.write_simple(tmp_path / "data" / f"{name}.root", 200))] for name in ("one", "two")
    }
    path = tmp_path / "samples.json"
    path.write_text(json.dumps(fileset))
    return path


def state(directory: Path) -> dict[str, bytes]:
    """Return what is in the ledger and the journal of a run."""
    files = [directory / "journal.jsonl", *(directory / "ledger").iterdir()]
    return {path.name: path.read_bytes() for path in files}


def test_what_is_accepted_so_far(samples: Path, tmp_path: Path) -> None:
    gate, out = tmp_path / "gate", tmp_path / "out"
    command = (*GATED, "--processor-args", f"gate={gate}", "-o", "out", samples)
    with running.running(*command, cwd=tmp_path) as run:
        running.until(lambda: running.accepted(out) == 2, "a first chunk of each dataset")
        before = state(out)
        ended = peek("out", cwd=tmp_path)
        assert ended.code == 0, ended.err
        assert state(out) == before, "the run is not touched"
        found = load(tmp_path / "out-partial.coffea")
        told = json.loads((tmp_path / "out-partial.json").read_text())
        assert found["postprocessed"]
        assert {name: one["processed"] for name, one in told["datasets"].items()} == found["by dataset"]
        assert {name: one["planned"] for name, one in told["datasets"].items()} == {"one": 200, "two": 200}
        assert found["by dataset"] == {"one": 50, "two": 50}
        assert "datasets     0 of 2 complete, 100 of 400 events" in ended.out
        assert peek("out", "--dataset", "on*", "--raw", "-o", "raw.coffea", cwd=tmp_path).code == 0
        raw = load(tmp_path / "raw.coffea")
        assert "postprocessed" not in raw
        assert raw["by dataset"] == {"one": 50}
        shown = running.run("show", "raw.coffea", "--list", cwd=tmp_path, name="wq-report")
        assert shown.code == 0, shown.err
        wrong = peek("out", "--dataset", "on", cwd=tmp_path)
        assert wrong.code == 2
        assert "Did you mean one?" in wrong.err
        assert peek("out", "-o", "out/peek.coffea", cwd=tmp_path).code == 2, "no result of the run"
        gate.touch()
        ended = running.finish(run)
    assert ended.code == 0, ended.err
    ended = peek("out", cwd=tmp_path)
    assert "datasets     2 of 2 complete, 400 of 400 events" in ended.out
    assert load(tmp_path / "out-partial.coffea") == running.output(out)


def test_of_a_run_that_was_killed_and_one_that_has_nothing(samples: Path, tmp_path: Path) -> None:
    gate = f"gate={tmp_path / 'gate'}"
    command: tuple[object, ...] = (*GATED, "--processor-args", gate, "-o", "out", samples)
    with running.running(*command, cwd=tmp_path) as run:
        running.until(lambda: running.accepted(tmp_path / "out") >= 1, "a first chunk")
        run.kill()
    assert peek("out", cwd=tmp_path).code == 0
    assert 0 < load(tmp_path / "out-partial.coffea")["entries"] < 400
    command = (*GATED, *(f"--processor-args={one}" for one in (gate, "free=0")))
    with running.running(*command, "-o", "none", samples, cwd=tmp_path) as run:
        running.until((tmp_path / "none" / "journal.jsonl").exists, "a run")
        ended = peek("none", cwd=tmp_path)
        assert ended.code == 2
        assert "nothing is in the result of none yet" in ended.err
        run.kill()


def test_while_results_are_added_up(tmp_path: Path) -> None:
    """Whatever is removed meanwhile, as sums take its place: what is seen is of one moment."""
    nanoaod.write_simple(tmp_path / "data" / "a.root", 3000)
    command = (*GATED[:-1], 10, "--processor-args", f"gate={tmp_path}", "-o", "out", "data")
    seen = []
    with running.running(*command, cwd=tmp_path) as run:
        running.until(lambda: running.accepted(tmp_path / "out") >= 1, "a first chunk")
        while run.poll() is None:
            ended = peek("out", cwd=tmp_path)
            assert ended.code == 0, ended.err
            found = load(tmp_path / "out-partial.coffea")
            told = json.loads((tmp_path / "out-partial.json").read_text())["datasets"]["data"]
            assert found["entries"] == told["processed"] == 10 * found["chunks"]
            seen.append(found["entries"])
        assert running.finish(run).code == 0
    assert seen == sorted(seen)


FILLING = """
import hist

from analysis import Gated


class Filling(Gated):
    def process(self, events):
        super().process(events)
        x = hist.Hist.new.Reg(4, 0, 200, name="x", label="x of all").Double()
        return {"x": x.fill(events.x)}

    def postprocess(self, accumulator):
        raise ValueError("not on a part, unasked")
"""


def test_the_page_shows_what_fills_and_how_much_of_it(samples: Path, tmp_path: Path) -> None:
    """Another process draws it, which is gone when the run does not need it any more."""
    (tmp_path / "filling.py").write_text(FILLING)
    gate, out = tmp_path / "gate", RunPaths(root=tmp_path / "out")
    command = (
        "-p",
        "filling.py:Filling",
        *GATED[2:],
        "--processor-args",
        f"gate={gate}",
        "-o",
        "out",
        samples,
    )
    drawn: list[str] = []
    with running.running(*command, cwd=tmp_path, PYTHONPATH=str(running.ANALYSIS.parent)) as run:
        running.until(lambda: running.accepted(out.root) == 2, "a first chunk of each dataset")
        before = state(out.root)
        with filling.beside(drawn.append, out, first=0.1, every=0.1):
            running.until(lambda: drawn, "a drawing")
        assert state(out.root) == before, "the run is not touched"
        run.kill()
    page = drawn[0]
    assert "Histograms so far" in page
    assert "25% of the events are in them" in page
    assert "0 of 2 datasets as a whole, 2 in part" in page
    assert "x of all" in page
    assert page.count("<polygon") == 2, "each dataset"
    assert not list(out.staging.glob("*.html.*"))


def test_nothing_is_drawn_of_what_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = RunPaths(root=tmp_path)
    paths.ledger.mkdir()
    (paths.ledger / "part-1").write_bytes(b"1234")
    monkeypatch.setattr(filling, "LARGEST", 3)
    drawn: list[str] = []
    with filling.beside(drawn.append, paths, first=0, every=0.1):
        running.until(lambda: drawn, "what is said instead")
    assert "wq-report peek has it" in drawn[0]
