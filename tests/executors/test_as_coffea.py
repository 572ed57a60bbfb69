"""Every executor, and every form in which a processor can be given, gives what coffea's own Runner gives."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import running
from coffea import processor, util
from coffea.nanoevents import NanoAODSchema

EVENTS, CHUNKSIZE, SEED = 300, 150, 7
EXECUTORS = {
    "iterative": {},
    "futures": {"workers": "2"},
    "work_queue": {"workers": "local:2"},
    "dask": {"workers": "2"},
    "parsl": {"workers": "2"},
}
FORMS = ("file", "module", "instance", "function", "wrapper")

ANALYSIS = """
import awkward as ak
import hist
import numpy as np
from coffea import processor

MIN_PT = 20.0
GENERATOR = np.random.default_rng(12345)


def total(values):
    return float(ak.sum(ak.values_astype(values, "float64")))  # the same however chunks are cut


class Analysis(processor.ProcessorABC):
    def __init__(self, scale: float = 2):
        self.scale = scale

    def process(self, events):
        muons = events.Muon[events.Muon.pt > MIN_PT]
        pt = hist.Hist.new.Reg(20, 0, 200, name="pt").Weight().fill(ak.flatten(muons.pt))
        pairs = muons[ak.num(muons) == 2]
        mass = (pairs[:, 0] + pairs[:, 1]).mass
        return {
            "events": len(events),
            "pt": pt,
            "sum": self.scale * total(ak.firsts(muons.pt)),
            "mass": total(mass),
            "by dataset": {events.metadata["dataset"]: {"muons": int(ak.count(muons.pt))}},
            "kinds": {(events.metadata["dataset"], events.metadata["isData"])},
        }

    def postprocess(self, accumulator):
        return {**accumulator, "done": True}


class Smeared(Analysis):
    def process(self, events):
        drawn = (np.random.normal(), GENERATOR.normal())
        place = (events.metadata["dataset"], events.metadata["entrystart"])
        return {**super().process(events), "drawn": {(*place, *drawn)}}


def function(events):
    return {"jets": int(ak.count(events.Jet.pt)), "files": {events.metadata["filename"]}}
"""
WRAPPER = "import base\nbase.MIN_PT = 40.0\nprocessor = base.Analysis(scale=3)\n"

SCRIPT = """
import json, sys
import wq_runner
from coffea import util
import forms


def main():
    fileset, executor, options = (json.loads(word) for word in sys.argv[1:])
    given = {
        "file": "forms.py:Analysis",
        "module": "forms:Analysis",
        "instance": forms.Analysis(),
        "function": forms.function,
        "wrapper": "wrapper.py:processor",
        "random": forms.Smeared(),
    }
    for form, analysis in given.items():
        result = wq_runner.run(
            fileset, analysis, executor=executor, environment="shared", output=f"{executor}-{form}", **options
        )
        assert result.complete, form
        util.save(result.output, f"{executor}-{form}.coffea")


if __name__ == "__main__":  # Dask starts processes that import the script
    main()
"""

RUNNER = """
import json, sys
from coffea import processor, util
from coffea.nanoevents import NanoAODSchema
from wq_runner import WorkQueueExecutor
import forms

files, chunksize, seed = (json.loads(word) for word in sys.argv[1:])
with WorkQueueExecutor(workers="local:2", port=0, status=False, seed=seed) as executor:
    runner = processor.Runner(executor=executor, schema=NanoAODSchema, chunksize=chunksize)
    given = {"instance": forms.Analysis(), "function": forms.function, "random": forms.Smeared()}
    for form, analysis in given.items():
        util.save(runner(files, analysis), f"runner-{form}.coffea")
"""

pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning:coffea"),
    pytest.mark.filterwarnings("ignore:.*:RuntimeWarning:awkward"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the analysis in all its forms."""
    found = tmp_path_factory.mktemp("forms")
    (found / "forms.py").write_text(ANALYSIS)
    (found / "base.py").write_text(ANALYSIS)
    (found / "wrapper.py").write_text(WRAPPER)
    (found / "script.py").write_text(SCRIPT)
    (found / "runner.py").write_text(RUNNER)
    return found


@pytest.fixture(scope="module")
def fileset(place: Path) -> dict[str, Any]:
    """Return files of the make of coffea's own samples, and the real one of these where it is at hand."""
    made = nanoaod.fileset(place / "data", files=1, events=EVENTS)
    if nanoaod.REAL_NANOAOD.exists():
        files = [str(nanoaod.REAL_NANOAOD.resolve())]
        made["real"] = {"files": files, "treename": "Events", "metadata": {"isData": False}}
    return made


@pytest.fixture(scope="module")
def expected(place: Path, fileset: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return what coffea's Runner gives for each form, with its simplest executor."""
    runner = processor.Runner(
        executor=processor.IterativeExecutor(status=False, retries=0),
        schema=NanoAODSchema,
        chunksize=CHUNKSIZE,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(place))
        for name in ("forms", "base", "wrapper"):  # words that other tests use as well
            sys.modules.pop(name, None)
        import forms  # type: ignore[import-not-found]
        import wrapper  # type: ignore[import-not-found]

        plain = runner(fileset, forms.Analysis())
        yield {
            **dict.fromkeys(("file", "module", "instance"), plain),
            "function": runner(fileset, forms.function),
            "wrapper": runner(fileset, wrapper.processor),
        }
    for name in ("forms", "base", "wrapper"):
        del sys.modules[name]


def run(script: str, *arguments: object, cwd: Path) -> None:
    words = [sys.executable, script, *map(json.dumps, arguments)]
    done = subprocess.run(
        words, cwd=cwd, capture_output=True, text=True, timeout=2 * running.PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_forms_differ(expected: dict[str, Any], fileset: dict[str, Any]) -> None:
    assert expected["instance"]["events"] == EVENTS * len(nanoaod.KINDS) + 40 * ("real" in fileset)
    assert expected["instance"]["done"] is True
    assert 0 < expected["wrapper"]["sum"] / 3 < expected["instance"]["sum"] / 2
    assert len(expected["function"]["files"]) == len(fileset)


def run_all_forms(place: Path, fileset: dict[str, Any], executor: str) -> None:
    options = {"chunksize": CHUNKSIZE, "seed": SEED, **EXECUTORS[executor]}
    run("script.py", fileset, executor, options, cwd=place)


@pytest.fixture(scope="module")
def drawn(place: Path, fileset: dict[str, Any]) -> Any:
    """Return the result with random numbers of our own executor in coffea's Runner, in one process.

    coffea draws others each time.
    """
    run_all_forms(place, fileset, "iterative")
    found = util.load(place / "iterative-random.coffea")
    chunks = {one[:2] for one in found["drawn"]}
    assert len(chunks) == len(found["drawn"]) == 2 * len(nanoaod.KINDS) + ("real" in fileset)
    assert all(len({one[index] for one in found["drawn"]}) == len(chunks) for index in (2, 3))
    return found


@pytest.mark.parametrize("executor", EXECUTORS)
def test_all_forms(
    place: Path, fileset: dict[str, Any], expected: dict[str, Any], drawn: Any, executor: str
) -> None:
    if executor != "iterative":
        run_all_forms(place, fileset, executor)
    for form in FORMS:
        nanoaod.assert_same(util.load(place / f"{executor}-{form}.coffea"), expected[form], form)
    nanoaod.assert_same(util.load(place / f"{executor}-random.coffea"), drawn, executor)


def test_the_runner(place: Path, fileset: dict[str, Any], expected: dict[str, Any], drawn: Any) -> None:
    run("runner.py", fileset, CHUNKSIZE, SEED, cwd=place)
    for form in ("instance", "function"):
        nanoaod.assert_same(util.load(place / f"runner-{form}.coffea"), expected[form], form)
    nanoaod.assert_same(util.load(place / "runner-random.coffea"), drawn)


def test_the_command(place: Path, fileset: dict[str, Any], expected: dict[str, Any]) -> None:
    (place / "samples.json").write_text(json.dumps(fileset))
    what = ("-p", "forms.py:Analysis", "--processor-args", "scale=2", "-c", CHUNKSIZE)
    where = ("-w", "local:2", "-o", "out")
    running.run_well(*what, *where, "samples.json", cwd=place)
    nanoaod.assert_same(running.output(place / "out"), expected["file"])
