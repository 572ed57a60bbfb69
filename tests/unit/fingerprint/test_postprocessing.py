"""The end of a processor is told apart from the rest only where nothing else can see it."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wq_runner.code import own_modules
from wq_runner.code.processor import load_processor
from wq_runner.fingerprint import postprocessing
from wq_runner.fingerprint.postprocessing import Ending

WHOLE = """
import re
from coffea.processor import ProcessorABC

WORDS = re.compile("[a-z]+")

class Analysis(ProcessorABC):
    \"\"\"What postprocess does is said elsewhere.\"\"\"

    def process(self, events):
        return {"n": len(events), "x": getattr(events, "x", 0)}

    def postprocess(self, accumulator):
        return {"n": accumulator["n"]}
"""
BODY = 'return {"n": accumulator["n"]}'

Find = Callable[..., Ending | None]


@pytest.fixture
def find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Find:
    """Return what writes modules, imports `Analysis` of the first, and says what its end is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    # a comparison of texts, as it is asked of thousands of modules
    below = f"{tmp_path}/"
    monkeypatch.setattr(own_modules, "own_path", lambda file: Path(file) if file.startswith(below) else None)

    def found(text: str, **others: str) -> Ending | None:
        directory = tmp_path / uuid.uuid4().hex
        directory.mkdir()
        for name, content in {"analysis": text, **others}.items():
            monkeypatch.delitem(sys.modules, name, raising=False)  # and afterwards
            (directory / f"{name}.py").write_text(content)
        processor = load_processor(f"{directory}/analysis.py:Analysis", {})
        sources = {name: one for name, one in own_modules.sources().items() if one.path.parent == directory}
        assert sources.keys() >= {"analysis"}
        return postprocessing.of(processor, sources)

    return found


def test_a_change_of_the_body_is_none_of_the_rest(find: Find) -> None:
    before = find(WHOLE)
    after = find(WHOLE.replace(BODY, 'import json; return json.loads("3"), vars(self), self.process'))
    assert before is not None
    assert after is not None
    assert before.rest == after.rest
    assert before.own != after.own
    assert before.path.name == "analysis.py"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('{"n": len(events)', '{"n": 2 * len(events)'),
        ("def postprocess(self, accumulator)", "def postprocess(self, accumulator, more=print)"),
        ("[a-z]+", "[a-z]*"),
        ("class Analysis(ProcessorABC)", "class Other: pass\n\nclass Analysis(ProcessorABC)"),
    ],
)
def test_any_other_change_is_one_of_the_rest(find: Find, old: str, new: str) -> None:
    before, after = find(WHOLE), find(WHOLE.replace(old, new))
    assert before is not None
    assert after is None or before.rest != after.rest


SEES = {
    "it is called": "self.postprocess({'n': 1})",
    "it is called by a name that is made": "getattr(self, 'post' + chr(112) + 'rocess')({'n': 1})",
    "its name is a text": "getattr(self, 'postprocess')({'n': 1})",
    "getattr is given away": "list(map(getattr, [self], [str(events)]))",
    "all that it has is looked at": "[getattr(self, 'x') for one in dir(self)]",
    "its class is looked at": "type(self).__dict__",
    "the module is looked at": "globals()",
    "its source is read": "__import__('inspect').getsource(type(self))",
    "code is made": "exec(str(events))",
    "a module is imported by a name that is made": "importlib.import_module(str(events))",
    "an attribute is asked for by the operator": "operator.attrgetter(str(events))(self)",
}


@pytest.mark.parametrize("line", SEES.values(), ids=list(SEES))
def test_where_something_may_see_it_the_file_counts_as_a_whole(find: Find, line: str) -> None:
    seen = WHOLE.replace('        return {"n": len', f'        {line}\n        return {{"n": len')
    assert line in seen
    assert find(seen) is None
    # nor may another module
    helper = f"import importlib, operator\ndef helps(self, events):\n    {line}\n"
    assert find(f"import helper\n{WHOLE}", helper=helper) is None
    assert find(f"import helper\n{WHOLE}", helper="def helps(): pass\n") is not None


MADE = {
    "a decorator of the method": ("    def postprocess", "    @staticmethod\n    def postprocess"),
    "a decorator of the class": ("class Analysis", "@(lambda one: one)\nclass Analysis"),
    "a metaclass": (
        "class Analysis(ProcessorABC)",
        "class Meta(type(ProcessorABC)): pass\nclass Analysis(ProcessorABC, metaclass=Meta)",
    ),
    "another one in its place": ("class Analysis", "def other(self, a): return a\nclass Analysis"),
    "two of them": ("    def postprocess", "    def postprocess(self, a): pass\n    def postprocess"),
    "two classes": ("class Analysis", "class Analysis: pass\nclass Analysis"),
    "a hook of the class": ("    def process", "    def __init_subclass__(cls): pass\n    def process"),
    "one for the instance": (
        "    def process",
        "    def __init__(self): self.postprocess = len\n    def process",
    ),
}


@pytest.mark.parametrize(("old", "new"), MADE.values(), ids=list(MADE))
def test_where_it_is_made_otherwise_the_file_counts_as_a_whole(find: Find, old: str, new: str) -> None:
    text = WHOLE.replace(old, new)
    if "other" in new:
        text += "\nAnalysis.postprocess = other\n"
    assert find(text) is None


def test_one_of_a_base_class_in_another_module(find: Find) -> None:
    base = WHOLE.replace("Analysis", "Base")
    text = "from base import Base\nclass Analysis(Base):\n    def more(self): pass\n"
    before = find(text, base=base)
    after = find(text, base=base.replace(BODY, "return 3"))
    assert before is not None
    assert after is not None
    assert (before.path.name, before.rest) == ("base.py", after.rest)
    assert find(text + "    def sees(self): return super().postprocess\n", base=base) is None


def test_processors_without_one_have_no_end(find: Find) -> None:
    def function(events: Any) -> Any:
        return events

    assert postprocessing.of(function, {}) is None
    assert postprocessing.of(None, {}) is None
