"""Of files with several processors each depends on what it can see, and on all where that is not shown."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from wq_runner.code import own_modules
from wq_runner.code.processor import load_all
from wq_runner.fingerprint import own_code
from wq_runner.remote import several

BOTH = """
import helper
from coffea.processor import ProcessorABC

CUT = 20

def pairs(events):
    return len(events)

class EE(ProcessorABC):
    def process(self, events):
        return {"n": pairs(events), "cut": CUT}

    def postprocess(self, accumulator):
        return accumulator

class MM(ProcessorABC):
    size = 1

    def __init__(self, window=5):
        self.window = window

    def process(self, events):
        return {"n": pairs(events), "of": "muons"}

    def postprocess(self, accumulator):
        return {"n": accumulator["n"]}
"""
EE = """
from coffea.processor import ProcessorABC
import helper

def near(events):
    return 1

class Analysis(ProcessorABC):
    def process(self, events):
        return {"n": near(events)}

    def postprocess(self, accumulator):
        return accumulator
"""
MM = EE.replace("near", "far").replace('"n"', '"m"')
HELPER = "VALUE = 1\n"

Hashes = Callable[..., dict[str, str]]


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hashes:
    """Return what writes modules, and says what each of two processors depends on in one of them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    # a comparison of texts, as it is asked of thousands of modules
    below = f"{tmp_path}/"
    monkeypatch.setattr(own_modules, "own_path", lambda file: Path(file) if file.startswith(below) else None)

    def found(module: str, first: str, second: str, /, **texts: str) -> dict[str, str]:
        directory = tmp_path / uuid.uuid4().hex
        directory.mkdir()
        for name, content in texts.items():
            monkeypatch.delitem(sys.modules, name, raising=False)  # and afterwards
            (directory / f"{name}.py").write_text(content)
        processor, _ = load_all({"ee": f"{directory}/{first}", "mm": f"{directory}/{second}"}, {})
        sources = {name: one for name, one in own_modules.sources().items() if one.path.parent == directory}
        hashes = own_code.apart(several.each(processor), sources)
        whole = sources[module].now
        return hashes.get(module, {"ee": whole, "mm": whole})

    return found


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("old", "new", "who"),
    [
        ('"of": "muons"', '"of": "two muons"', {"mm"}),
        ('return {"n": accumulator["n"]}', "return {}", {"mm"}),
        ('"cut": CUT', '"cut": CUT + 1', {"ee"}),
        (
            'def process(self, events):\n        return {"n": pairs(events), "of"',
            "def other(self):\n        return 1\n\n"
            '    def process(self, events):\n        return {"n": pairs(events), "of"',
            {"mm"},
        ),
        ("CUT = 20", "CUT = 30", {"ee", "mm"}),
        ("return len(events)", "return 2 * len(events)", {"ee", "mm"}),
        ("size = 1", "size = 2", {"ee", "mm"}),  # done at import
        ("window=5", "window=CUT", {"ee", "mm"}),  # and so is this
        ("class MM(ProcessorABC)", "class MM(EE)", {"ee", "mm"}),
        # what may see the other
        ('return {"n": pairs(events), "cut": CUT}', "return MM().process(events)", {"ee"}),
    ],
)
def test_an_edit_is_of_those_who_see_it(seen: Hashes, old: str, new: str, who: set[str]) -> None:
    assert BOTH.count(old) == 1
    places = ("analysis", "analysis.py:EE", "analysis.py:MM")
    before = seen(*places, analysis=BOTH, helper=HELPER)
    after = seen(*places, analysis=BOTH.replace(old, new), helper=HELPER)
    assert changed(before, after) == who


IN_MM = ('"of": "muons"', '"of": "two muons"')


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"cut": CUT', '"cut": MM().process(events)'),
        ("return len(events)", "return globals()"),
        ("return len(events)", 'return vars(helper)["x"]'),
        ("return len(events)", "return sys.modules[__name__].MM"),
        ("CUT = 20", 'CUT = 20\nTABLE = "MM"'),
        ("class MM", "@register\nclass MM"),
        ("class MM(ProcessorABC):", "class MM(ProcessorABC, metaclass=Kind):"),
        ("size = 1", "size = 1\n    def more(self): pass\n    table = {1: more}"),
        (
            '    def postprocess(self, accumulator):\n        return {"n"',
            '    @register\n    def postprocess(self, accumulator):\n        return {"n"',
        ),
    ],
)
def test_what_may_be_seen_counts_for_both(seen: Hashes, old: str, new: str) -> None:
    text = (
        "import abc, sys\n\ndef register(one):\n    return one\n\nclass Kind(abc.ABCMeta):\n    pass\n" + BOTH
    ).replace(old, new)
    assert new in text
    places = ("analysis", "analysis.py:EE", "analysis.py:MM")
    before = seen(*places, analysis=text, helper=HELPER)
    after = seen(*places, analysis=text.replace(*IN_MM), helper=HELPER)
    assert changed(before, after) == {"ee", "mm"}


@pytest.mark.parametrize(
    ("helper", "edit", "who"),
    [
        (HELPER, ("return 1", "return 2"), {"mm"}),  # a function beside its processor
        (HELPER, ('{"m"', '{"k"'), {"mm"}),
        (HELPER, ("import helper", "import helper\nhelper.VALUE = 2"), {"ee", "mm"}),
        (HELPER, ("class Analysis", "helper.VALUE = far(1)\n\nclass Analysis"), {"ee", "mm"}),
        ("def of():\n    import mm\n    return mm\n", ("return 1", "return 2"), {"ee", "mm"}),
        ("def of():\n    from mm import far\n    return far\n", ("return 1", "return 2"), {"ee", "mm"}),
        ("import importlib\n", ("return 1", "return 2"), {"ee", "mm"}),
        ("import sys\ndef of(name):\n    return sys.modules[name]\n", ("return 1", "return 2"), {"ee", "mm"}),
    ],
)
def test_processors_in_files_of_their_own(
    seen: Hashes, helper: str, edit: tuple[str, str], who: set[str]
) -> None:
    places = ("mm", "ee.py:Analysis", "mm.py:Analysis")
    assert edit[0] in MM
    before = seen(*places, ee=EE, mm=MM, helper=helper)
    after = seen(*places, ee=EE, mm=MM.replace(*edit), helper=helper)
    assert changed(before, after) == who


def test_a_file_that_was_edited_since_counts_as_a_whole(
    seen: Hashes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_modules.Source, "edited", property(lambda _: True))
    found = seen("analysis", "analysis.py:EE", "analysis.py:MM", analysis=BOTH, helper=HELPER)
    assert found["ee"] == found["mm"]
