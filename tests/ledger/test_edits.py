"""An analysis that is edited at random, one input after the other, and run again after each edit.

Never a number that a run from the beginning would not give, and nothing runs again for what cannot change
one.
"""

from __future__ import annotations

import _ctypes
import base64
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import running
import uproot
from copies import Copies
from hypothesis import strategies as st

from wq_runner.run_events import Event, TaskEnded

EVENTS = 20
LIBRARY = Path(_ctypes.__file__).read_bytes()
FILES = 2

PROCESSOR = """
import ctypes, importlib, importlib.util, json, os
from pathlib import Path
import helper, mypkg, tiny
import numpy as np
from coffea import processor

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "golden.json").read_text())
MODE = int(os.environ.get("ANALYSIS_MODE", "1"))
LIBRARY = str(HERE / "libown.so")
ctypes.CDLL(LIBRARY)
spec = importlib.util.spec_from_file_location("plugged", HERE / "plugins" / "plugged.txt.py")
plugged = importlib.util.module_from_spec(spec)
spec.loader.exec_module(plugged)

class Edited(processor.ProcessorABC):
    def __init__(self, **options):
        self.options = options
        self.weight = int((HERE / "weight.txt").read_text())
        self.triggers = {{f"HLT_{{number}}" for number in range(50)}} | set(options)
        self.nested = {{"of": frozenset(self.triggers)}}
        self.made = os.urandom(4)

    def process(self, events):
        year = importlib.import_module(f"sf_{{2016 + 2}}")
        values = {{
            "code": {code}, "helper": helper.VALUE, "golden": GOLDEN["value"], "variable": MODE,
            "plugged": plugged.VALUE, "weight": self.weight, "late module": year.VALUE,
            "late file": int(open(HERE / "late.txt").read()),
            "late variable": int(os.environ["ANALYSIS_LATE"]),
            "package": mypkg.VALUE, "data of the package": int(mypkg.read()), "installed": tiny.VALUE,
            "library": os.path.getsize(LIBRARY) - {library}, "input": int(np.asarray(events.x)[0]),
            "argument": self.options["scale"], "metadata": events.metadata["xsec"],
        }}
        return {{"n": len(events), "values": {{pair: len(events) for pair in values.items()}}}}

    def postprocess(self, accumulator):
        return accumulator
"""
PACKAGE = """
from pathlib import Path
VALUE = {value}
def read():
    return Path(__file__).with_name("data.txt").read_text()
"""


@dataclass
class Analysis:
    """Everything that it is made of, as values that are in its result."""

    root: Path
    data: Path
    values: dict[str, int] = field(default_factory=dict)
    comments: int = 0
    seed: int = 0
    turned: bool = False
    samples_note: int = 0

    @property
    def place(self) -> Path:
        return self.root / "checkout"

    def write(self) -> None:
        """Write all files anew, those of the same content as well."""
        value, place = self.values, self.place
        comment = "# a comment\n\n" * self.comments
        files = {
            "edited.py": comment + PROCESSOR.format(code=value["code"], library=len(LIBRARY)) + comment,
            "helper.py": f"{comment}VALUE = {value['helper']}  # {self.comments}\n",
            "sf_2018.py": f"{comment}VALUE = {value['late module']}\n",
            "plugins/plugged.txt.py": f"VALUE = {value['plugged']}\n",
            "golden.json": json.dumps({"value": value["golden"]}),
            "weight.txt": str(value["weight"]),
            "late.txt": str(value["late file"]),
            "samples.json": json.dumps(
                {
                    "data": {
                        "files": {str(path): "Events" for path in sorted(self.data.glob("*.root"))},
                        "metadata": {"xsec": value["metadata"]},
                    }
                },
                indent=self.samples_note,
            ),
            "README.md": "read me\n" * self.comments,
            "lib/mypkg/__init__.py": comment + PACKAGE.format(value=value["package"]),
            "lib/mypkg/data.txt": str(value["data of the package"]),
        }
        for name, text in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text, encoding="utf-8")
        (place / "libown.so").write_bytes(LIBRARY + bytes(value["library"]))
        self.install()

    def update(self) -> None:
        """Write the trees of all files of the input anew, in place: each keeps its uuid."""
        for path in self.data.glob("*.root"):
            with uproot.update(path) as file:
                tree = file.mktree("Events", {"x": "float64"})
                tree.extend({"x": np.full(EVENTS, float(self.values["input"]))})

    def install(self) -> None:
        """Install a package, always in the same version."""
        site = self.place / "site-packages"
        shutil.rmtree(site, ignore_errors=True)
        (site / "tiny-1.0.dist-info").mkdir(parents=True)
        text = f"VALUE = {self.values['installed']}\n"
        (site / "tiny.py").write_text(text, encoding="utf-8")
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record = f"tiny.py,sha256={digest},{len(text)}\ntiny-1.0.dist-info/RECORD,,\n"
        (site / "tiny-1.0.dist-info" / "RECORD").write_text(record, encoding="utf-8")

    def expected(self) -> dict[tuple[str, int], int]:
        return dict.fromkeys(self.values.items(), FILES * EVENTS)


def harmless(analysis: Analysis, name: str) -> None:
    """Change what cannot change the result."""
    match name:
        case "comments":
            analysis.comments += 1
        case "order of sets":
            analysis.seed = 1 - analysis.seed
        case "order of arguments":
            analysis.turned = not analysis.turned
        case "layout of the samples":
            analysis.samples_note += 1
        case "moved":
            new = analysis.root.with_name(f"{analysis.root.name}x")
            analysis.root.rename(new)
            analysis.root = new
        case "time":
            for path in analysis.place.rglob("*"):
                os.utime(path, (1_700_000_000, 1_700_000_000))
        case _:
            pass  # written again, all of it


VALUES = (
    *("code", "helper", "golden", "variable", "plugged", "weight", "late module", "late file"),
    *("late variable", "package", "data of the package", "installed", "argument", "metadata"),
    *("library", "input"),
)
HARMLESS = (
    *("comments", "order of sets", "order of arguments", "layout of the samples", "moved", "time"),
    "written again",
)


@pytest.fixture(scope="module")
def copies() -> Iterator[list[Copies]]:
    """Yield what runs commands with one seed of hashes, and with another."""
    found = [Copies(PYTHONHASHSEED=str(seed)) for seed in (1, 2)]
    yield found
    for one in found:
        one.close()


def run(analysis: Analysis, copies: list[Copies], *more: object, out: str = "out") -> str:
    """Return what a run says."""
    options = [f"scale={analysis.values['argument']}", "other=2"]
    given = [word for one in options[:: -1 if analysis.turned else 1] for word in ("--processor-args", one)]
    command = ("-p", "edited.py:Edited", "--schema", "BaseSchema", "-e", "iterative", "-o", out)
    code, said, complained = copies[analysis.seed].run(
        [running.program("wq-run"), *command, *given, *more, "samples.json"],
        cwd=analysis.place,
        first=[analysis.place / "lib", analysis.place / "site-packages"],
        environ={
            **os.environ,
            **running.SETTINGS,
            "ANALYSIS_MODE": str(analysis.values["variable"]),
            "ANALYSIS_LATE": str(analysis.values["late variable"]),
        },
        timeout=running.PATIENCE,
    )
    assert code == 0, said + complained
    return said


def check(analysis: Analysis, directory: Path) -> None:
    found = running.output(directory)
    assert found == {"n": FILES * EVENTS, "values": analysis.expected()}
    assert running.summary(directory)["complete"]


def done(directory: Path) -> int:
    """Return how many tasks have processed anything, of all that the journal knows."""
    return sum(getattr(event, "category", "") == "processing" for event in ended(directory))


def ended(directory: Path) -> list[Event]:
    return [event for event in running.events_of(directory) if isinstance(event, TaskEnded)]


@hypothesis.settings(
    max_examples=1, derandomize=True, deadline=None, database=None, phases=[hypothesis.Phase.generate]
)
@hypothesis.given(
    edits=st.permutations([*VALUES, *HARMLESS]),
    lost=st.lists(st.booleans(), min_size=len(VALUES + HARMLESS), max_size=len(VALUES + HARMLESS)),
)
def test_what_is_reused_is_what_a_run_from_the_beginning_gives(
    edits: list[str],
    lost: list[bool],
    copies: list[Copies],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    data = tmp_path_factory.mktemp("data")
    analysis = Analysis(tmp_path_factory.mktemp("analysis"), data, dict.fromkeys(VALUES, 1))
    for number in range(FILES):
        uproot.recreate(data / f"f{number}.root").close()
    analysis.update()
    analysis.write()
    run(analysis, copies)
    check(analysis, analysis.place / "out")
    for edit, without_result in zip(edits, lost, strict=True):
        if edit in VALUES:
            analysis.values[edit] += 1
        else:
            harmless(analysis, edit)
        out = analysis.place / "out"
        if edit == "input":
            analysis.update()
        if edit != "time":
            analysis.write()
        if without_result:  # as after a kill: what counts is in the ledger
            (out / "run.json").unlink()
        before = done(out)
        told = run(analysis, copies)
        check(analysis, out)
        assert ("starting over" in told) is (edit in VALUES), (edit, told)
        if edit in HARMLESS:
            assert done(out) == before, (edit, told)
            assert without_result or "is there already" in told, (edit, told)
    run(analysis, copies, "--fresh", out="fresh")
    check(analysis, analysis.place / "fresh")
