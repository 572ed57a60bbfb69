"""Finding the processor and the schema."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import cloudpickle
import pytest
from coffea.nanoevents import BaseSchema

from wq_runner.code import task_sources
from wq_runner.code.processor import load_processor, load_schema, module_of
from wq_runner.errors import ProcessorError, UsageError

ONE = """
from coffea import processor
from beside import SCALE
class One(processor.ProcessorABC):
    def __init__(self, scale=SCALE): self.scale = scale
    def process(self, events): return {}
    def postprocess(self, accumulator): return accumulator
ready = One(7)
number = 3
def function(events): return {}
"""


@pytest.fixture(autouse=True)
def own_modules(here: Path) -> Iterator[None]:
    """Forget what was imported, so that the next test may use the same names."""
    before, path = set(sys.modules), list(sys.path)
    (here / "one.py").write_text(ONE)
    (here / "beside.py").write_text("SCALE = 2\n")
    (here / "pack").mkdir()
    (here / "pack" / "__init__.py").write_text("")
    (here / "pack" / "one.py").write_text(ONE)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - before:
        module = sys.modules[name]
        if str(here) in str(getattr(module, "__file__", "")) or str(here) in str(
            getattr(module, "__path__", "")
        ):
            del sys.modules[name]


@pytest.mark.parametrize("place", ["one.py", "one", "pack.one"])
def test_a_class_of_a_file_or_a_module(place: str) -> None:
    assert load_processor(f"{place}:One", {}).scale == 2
    assert load_processor(place, {"scale": 5}).scale == 5  # the only one that there is


def test_what_has_a_file_travels_by_the_name_of_its_module(here: Path) -> None:
    """Workers import it: so there is one of each class and each global, as here."""
    others = task_sources.sources()  # of what was imported in this process before
    found = load_processor("one.py:One", {})
    assert pickle.loads(cloudpickle.dumps(found)).process.__func__ is type(found).process
    assert task_sources.sources() == others
    assert module_of("one.py:One") == module_of(f"{here}/one.py") == "one"
    assert module_of("pack.one:One") == module_of("pack.one") == "pack.one"


def test_an_instance_and_a_function() -> None:
    assert load_processor("one:ready", {}).scale == 7
    assert load_processor("one:function", {})(None) == {}


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("one.py:Oen", {}, "one.py has no Oen. Did you mean One?"),
        ("onee.py:One", {}, "the processor's file onee.py does not exist. Did you mean one.py?\nlooked in /"),
        ("json.py:One", {}, "json.py has the name of a module that is imported already: /"),
        ("pack.two:One", {}, "no module pack.two for the processor pack.two"),
        ("nothing:One", {}, "no module nothing for the processor nothing\nlooked in "),
        ("one:One", {"scal": 1}, "one:One cannot be built with {'scal': 1}: "),
        ("one:ready", {"scale": 1}, "one:ready is not a class, so it takes no --processor-args"),
        ("one:number", {}, "one:number is an int, not a processor"),
        ("beside", {}, "beside has no processor class"),
    ],
)
def test_mistakes(name: str, args: dict[str, int], said: str) -> None:
    Path("json.py").write_text(ONE)
    with pytest.raises(UsageError) as caught:
        load_processor(name, args)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nothere\n", "No module named 'nothere'"),
        ("def f(:\n", "SyntaxError: invalid syntax"),
        ("x = {}['key']\n", "KeyError: 'key'"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
    ],
)
def test_an_import_that_fails_shows_the_users_lines_only(here: Path, code: str, said: str) -> None:
    (here / "bad.py").write_text(code)
    with pytest.raises(ProcessorError) as caught:
        load_processor("bad.py:One", {})
    text = str(caught.value)
    assert text.startswith("the processor bad.py cannot be imported\n")
    assert text.endswith(said)
    assert f'File "{here}/bad.py", line 1' in text
    assert "importlib" not in text
    assert "wq_runner" not in text


def test_a_processor_that_cannot_be_built(here: Path) -> None:
    code = ONE.replace("self.scale = scale", "raise ValueError('no calibration')")
    (here / "bad.py").write_text(code.replace("ready = One(7)", ""))
    with pytest.raises(ProcessorError, match=r"(?s)bad.py:One cannot be built.*no calibration"):
        load_processor("bad.py:One", {})


@pytest.mark.parametrize(
    ("name", "said"),
    [("postprocess", "return accumulator"), ("selection", "the class lacks selection")],
    ids=["as coffea 0.7 asks for it", "of the user's own"],
)
def test_a_processor_that_lacks_what_its_base_asks_for(here: Path, name: str, said: str) -> None:
    text = (
        "import abc\nfrom coffea.processor import ProcessorABC\n"
        f"class Base(ProcessorABC):\n    @abc.abstractmethod\n    def {name}(self, accumulator): ...\n"
        "class One(Base):\n    def process(self, events): return events\n"
    )
    (here / "lacks.py").write_text(text)
    with pytest.raises(UsageError, match=r"cannot be built with {}") as caught:
        load_processor("lacks.py:One", {})
    assert said in caught.value.hint


def test_schema(here: Path) -> None:
    assert load_schema("BaseSchema") is BaseSchema
    (here / "mine.py").write_text("from coffea.nanoevents import BaseSchema\nclass Mine(BaseSchema): pass\n")
    assert issubclass(load_schema("mine:Mine"), BaseSchema)
    with pytest.raises(UsageError, match=r"no schema NanoSchema. Did you mean NanoAODSchema\?"):
        load_schema("NanoSchema")
