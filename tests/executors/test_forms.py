"""One processor in all forms and executors: what its file does when it is imported happens where it runs.

Each run looks at everything at once, and says what coffea's own executor does in one process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nanoaod
import pytest
import running

CODE = {
    "base.py": """
import enum
from coffea.nanoevents import BaseSchema

MIN_X = 0

class Era(enum.Enum):
    A, B = 1, 2

class Setting(BaseSchema):
    strict = True
""",
    "helper.py": """
import sys
import base

_model = None

def model():
    "Load what takes long, once in a process."
    global _model
    if _model is None:
        _model = object()
        sys.model_loads = getattr(sys, "model_loads", 0) + 1
    return sys.model_loads

def is_a(era):
    import mine
    return era is base.Era.A and mine.Kind(1) is mine.KIND
""",
    "mine.py": """
import concurrent.futures, enum, json, multiprocessing, pickle, threading
from pathlib import Path
import awkward as ak
import base, helper
import numpy as np
from coffea import processor
from coffea.nanoevents.methods import vector

base.MIN_X = 50
base.Setting.strict = False
np.seterr(divide="raise")
LOCK = threading.Lock()
SCALE = json.loads((Path(__file__).parent / "sf.json").read_text())["scale"]

class Kind(enum.Enum):
    ONE = 1

KIND = Kind.ONE

@ak.mixin_class(ak.behavior)
class Thing:
    @property
    def double(self):
        return self.x * 2

class Schema(base.Setting):
    pass

class Cut:
    def __init__(self, value):
        self.value = value
    def __call__(self, x):
        return x >= self.value

def double(number):
    return 2 * number * SCALE

class Mine(processor.ProcessorABC):
    def __init__(self):
        self.era, self.kind, self.cut = base.Era.A, Kind.ONE, Cut(20)

    def process(self, events):
        x = np.asarray(events["x"])
        things = ak.zip({"x": x}, with_name="Thing")
        try:
            np.ones(1) / np.zeros(1)
            divided = "inf"
        except FloatingPointError:
            divided = "raised"
        fork = multiprocessing.get_context("fork")  # elsewhere a whole Python starts, which takes its time
        with LOCK, fork.Pool(1) as pool:
            forked = pool.map(double, [1])[0]
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=fork) as pool:
            submitted = pool.submit(double, 2).result()
        cut = pickle.loads(pickle.dumps(self.cut))
        found = {
            "an enum": helper.is_a(self.era) and self.kind is KIND,
            "a class": isinstance(self.cut, Cut) and type(cut) is Cut,
            "a setting of a schema": Schema.strict,
            "numpy's error state": divided,
            "pools": (forked, submitted),
            "a file beside it": json.loads((Path(__file__).parent / "sf.json").read_text())["scale"],
            "loads of a model": helper.model(),
        }
        return {
            "selected": int((cut(x) & (x >= base.MIN_X)).sum()),
            "double": float(ak.sum(things.double)),
            "found": {repr(item) for item in found.items()},
        }

    def postprocess(self, accumulator):
        return accumulator
""",
    "wrapper.py": """
import base, mine

base.MIN_X = 90
wrapped = mine.Mine()
""",
    "plain.py": """
"What coffea's own executor says."
import json, sys
from coffea.processor import IterativeExecutor, Runner

def plain(processor):
    import mine
    runner = Runner(IterativeExecutor(status=False), schema=mine.Schema, chunksize=50)
    return runner({"data": {"files": {"data/a.root": "Events"}}}, processor)

def shown(found):
    return {**found, "found": sorted(found["found"])}

if __name__ == "__main__":
    import mine
    first = shown(plain(mine.Mine()))
    import wrapper
    print(json.dumps([first, shown(plain(wrapper.wrapped))]))
""",
    "forms.py": """
import json, sys
import wq_runner
from plain import shown

def run(processor, schema="mine:Schema"):
    options = {"executor": sys.argv[1], "output": "out", "chunksize": 50, "fresh": True}
    if sys.argv[1] != "iterative":
        options["workers"] = "local:1" if sys.argv[1] == "work_queue" else "1"
    return shown(wq_runner.run("samples.json", processor, schema=schema, **options).output)

if __name__ == "__main__":
    found = [run("mine.py:Mine"), run("mine:Mine")]
    found += [run("wrapper.py:wrapped"), run("wrapper:wrapped")]
    import wrapper
    found.append(run(wrapper.wrapped))
    print("\\n" + json.dumps(found))
""",
}


def analysis(directory: Path) -> None:
    for name, text in CODE.items():
        (directory / name).write_text(text, encoding="utf-8")
    (directory / "sf.json").write_text('{"scale": 3}', encoding="utf-8")
    nanoaod.write_simple(directory / "data" / "a.root", 100)
    samples = {"data": {"files": {"data/a.root": "Events"}}}
    (directory / "samples.json").write_text(json.dumps(samples), encoding="utf-8")


def script(directory: Path, *words: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=directory,
        env={**os.environ, **running.SETTINGS},
        capture_output=True,
        text=True,
        timeout=running.PATIENCE * 2,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module", name="expected")
def _expected(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    directory = tmp_path_factory.mktemp("plain")
    analysis(directory)
    named, wrapped = script(directory, "plain.py")
    assert (named["selected"], wrapped["selected"]) == (50, 10)
    return [named, named, wrapped, wrapped, wrapped]


@pytest.mark.parametrize("executor", ["work_queue", "futures", "dask", "iterative"])
def test_all_forms_give_one_result(executor: str, expected: list[dict[str, object]], tmp_path: Path) -> None:
    analysis(tmp_path)
    assert script(tmp_path, "forms.py", executor) == expected
