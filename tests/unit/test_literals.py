"""What the arguments of a processor mean: literals of Python and of YAML, as its class wants them."""

from __future__ import annotations

import datetime
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional

import pytest

from wq_runner import literals
from wq_runner.code.arguments import again, as_json, described, understood
from wq_runner.config.layers import Known, find_layers
from wq_runner.errors import UsageError
from wq_runner.literals import Arguments

LITERALS: dict[str, Any] = {
    "False": False, "false": False, "FALSE": False, "no": False, "off": False,
    "True": True, "true": True, "TRUE": True, "yes": True, "On": True,
    "None": None, "null": None, "~": None,
    ".5": 0.5, "1.": 1.0, "1e3": 1000.0, "-2.5E-1": -0.25, "+3": 3, "0x10": 16, "0b11": 3, "0o17": 15,
    "1_000": 1000, "2018": 2018, "0": 0, "1": 1,
    "inf": math.inf, "-inf": -math.inf, ".inf": math.inf, "-.Inf": -math.inf, "Infinity": math.inf,
    "['a']": ["a"], "[1, 2]": [1, 2], "[a, b]": ["a", "b"], "[yes, None, .5]": [True, None, 0.5], "[]": [],
    "(1, 'a')": (1, "a"), "{1, 2}": {1, 2}, "1, 2": (1, 2),
    '{"a": 1}': {"a": 1}, "{a: 1, b: [x]}": {"a": 1, "b": ["x"]}, "{'a': None}": {"a": None},
    "2018-05-31": datetime.date(2018, 5, 31),
    "'False'": "False", '"2018"': "2018", "''": "", r"'\d+'": r"\d+",
    # texts
    "": "", "ttH": "ttH", "b=c": "b=c", "y": "y", "n": "n", "nominal": "nominal", "2018UL": "2018UL",
    "1+2": "1+2", "pt > 3": "pt > 3", "a: b": "a: b", "{year}_UL": "{year}_UL", "[ab]*.root": "[ab]*.root",
    "/a/b.json": "/a/b.json", "~/sf": "~/sf", "None of these": "None of these", "...": "...",
    "1.2.3": "1.2.3",
    "2018-13-01": "2018-13-01", "(pt>3)&(eta<2)": "(pt>3)&(eta<2)", "don't": "don't",
    "root://h//a": "root://h//a",
}  # fmt: skip
DOUBTFUL = ["007", "010", "-08", "1:30", "12:30:45", "4j", "1,000", "{year}", "{a:1}", "[a]]"]


@pytest.mark.parametrize("text", LITERALS)
def test_what_a_text_means(text: str) -> None:
    expected = LITERALS[text]
    found = literals.read(text)
    assert (found, type(found)) == (expected, type(expected))


def test_not_a_number() -> None:
    assert all(math.isnan(literals.read(text)) for text in ("nan", "NaN", ".nan", "-nan"))


@pytest.mark.parametrize("text", DOUBTFUL)
def test_what_could_be_several_things_needs_quotes_or_an_annotation(text: str) -> None:
    with pytest.raises(UsageError, match="argument x: "):
        understood(lambda x: x, Arguments.of("x", text))

    def wants_text(x: str) -> str:
        return x

    assert understood(wants_text, Arguments.of("x", text)) == {"x": text}
    assert literals.read(repr(text)) == text


class Era(Enum):
    A = "2018A"
    B = 2018


Maybe = Optional[str]  # noqa: UP045 - as many write it
Pt = NewType("Pt", float)

FITS: list[tuple[Any, str, Any]] = [
    (str, "2018", "2018"), (str, "1e3", "1e3"), (str, "no", "no"), (str, "[pt>3]", "[pt>3]"),
    (str, "'5'", "5"), (str, "007", "007"),
    (bool, "no", False), (bool, "0", False), (bool, "True", True),
    (int, "1e3", 1000), (int, "5", 5), (float, "1", 1.0), (float, "inf", math.inf), (complex, "4j", 4j),
    (Maybe, "None", None), (Maybe, "2018", "2018"),
    (str | bool, "no", False), (int | str, "2018", 2018), (float | list[float], "[1, 2]", [1.0, 2.0]),
    (list[str], "[2016, 2017]", ["2016", "2017"]), (list[str], "[a, b]", ["a", "b"]),
    (list, "(1, 2)", [1, 2]),
    (tuple[float, ...], "[1, 2]", (1.0, 2.0)), (tuple[int, str], "[1, 2]", (1, "2")),
    (set[int], "[1, 1]", {1}),
    (Sequence[float], "[1]", [1.0]), (dict[str, float], "{a: 1}", {"a": 1.0}),
    (Mapping[str, str], "{1: 2}", {"1": "2"}),
    (Literal["2017", "2018"], "2018", "2018"), (Literal[2017, 2018], "2018", 2018),
    (Literal["no"], "no", "no"),
    (Era, "A", Era.A), (Era, "2018A", Era.A), (Era, "2018", Era.B), (list[Era], "[A, B]", [Era.A, Era.B]),
    (Path, "a/2018", Path("a/2018")), (Path, "2018", Path("2018")), (Path | None, "~", None),
    (Annotated[str, "x"], "2018", "2018"), (Pt, "1", 1.0), (Any, "2018", 2018), (object, "no", False),
    (datetime.date, "2018-05-31", datetime.date(2018, 5, 31)),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "text", "value"), FITS, ids=str)
def test_annotations_decide(wanted: Any, text: str, value: Any) -> None:
    def function(x: Any) -> None: ...

    function.__annotations__["x"] = wanted
    found = understood(function, Arguments.of("x", text))["x"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("wanted", "text", "said"),
    [
        (bool, "flase", "wants bool"), (bool, "2", "wants bool"), (bool, "'no'", "wants bool"),
        (int, "2.5", "wants int"), (int, "yes", "wants int"), (float, "3GeV", "wants float"),
        (str, "None", "wants str"), (str | None, "[1]", ""),
        (list[int], "2018", "wants list[int], such as"),
        (list[str], "[1e3]", "a member is no str"), (list[float], "[a]", "a member is no float"),
        (tuple[int, int], "[1]", "which has 2 members"), (dict[str, int], "[1]", "such as {a: 1}"),
        (Literal["a", "b"], "c", "wants one of 'a', 'b'"), (Era, "C", "wants one of A, B of Era"),
        (Path, "None", "wants Path"), (int | None, "x", "wants int | None"),
    ],
)  # fmt: skip
def test_a_contradiction_names_argument_value_and_type(wanted: Any, text: str, said: str) -> None:
    def function(x: Any) -> None: ...

    function.__annotations__["x"] = wanted
    if not said:
        assert understood(function, Arguments.of("x", text)) == {"x": text}
        return
    with pytest.raises(UsageError, match="the argument x is ") as caught:
        understood(function, Arguments.of("x", text))
    assert said in str(caught.value)


def test_defaults_decide_where_nothing_is_annotated() -> None:
    class Plain:
        def __init__(self, *, cut=0.5, n=25, syst=True, era="2018", bins=(1, 2), extra=None, part=Era.A):  # type: ignore[no-untyped-def]
            pass

    def fit(**texts: str) -> Any:
        return list(
            understood(Plain, literals.merged(tuple(Arguments.of(*one) for one in texts.items()))).values()
        )

    assert [type(one) for one in fit(cut="1", n="27.5", syst="0", era="2017")] == [float, float, bool, str]
    assert fit(era="None", bins="[3]", extra="2018", part="B") == [None, (3,), 2018, Era.B]
    assert fit(syst="'JES'") == ["JES"]  # quotes are meant
    for name, text in {"syst": "flase", "cut": "2GeV", "bins": "3", "n": "many"}.items():
        with pytest.raises(UsageError, match=f"the argument {name} is {text} "):
            fit(**{name: text})


def test_the_annotations_of_a_base_of_a_dataclass_and_of_a_partial_count() -> None:
    @dataclass
    class Base:
        era: str
        weights: list[Unknown] = None  # type: ignore[assignment, name-defined]  # noqa: F821

    class Derived(Base):
        def __init__(self, flag: bool = False, **rest: Any) -> None: ...

    given = literals.merged([Arguments.of("era", "2018"), Arguments.of("flag", "off")])
    for kind in (Derived, functools.partial(Derived, weights=[])):
        found = understood(kind, given)
        assert found["flag"] is False
    assert understood(Derived, given)["era"] == "2018"
    assert understood(Base, Arguments.of("weights", "[1]")) == {"weights": [1]}


def test_values_of_python_stay_what_they_are() -> None:
    def wants(era: str) -> None: ...

    assert understood(wants, {"era": 2018}) == {"era": 2018}


def test_a_file_of_options_reads_as_the_command_line_does(tmp_path: Path) -> None:
    text = "{syst: None, cut: 1e3, on: 'False', era: 2018, nested: {a: [None, no, 'no']}, nothing: "
    (tmp_path / "o.yaml").write_text(f"processor-args: {text}, five: !!str 5}}\n")
    known = Known(names=["processor_args"], lists=["processor_args"])
    [*_, layer] = find_layers(run_options=[str(tmp_path / "o.yaml")], near=(), known=known)
    [found] = layer.values["processor_args"]
    assert found == {
        "syst": None,
        "cut": 1000.0,
        "on": "False",
        "era": 2018,
        "nested": {"a": [None, False, "no"]},
        "nothing": None,
        "five": "5",
    }
    assert found.texts == {"syst": "None", "cut": "1e3", "era": "2018"}
    assert literals.written([found])[0:3] == ["syst=None", "cut=1e3", "era=2018"]


def test_words_of_a_variable() -> None:
    text = """a=[1, 2] b={"x": 1}  c='d e' f="g h=i" title=don't j=(1, 2)"""
    assert literals.words(text) == [
        "a=[1, 2]",
        'b={"x": 1}',
        "c='d e'",
        'f="g h=i"',
        "title=don't",
        "j=(1, 2)",
    ]


def test_a_run_tells_what_was_understood_and_can_be_told_again() -> None:
    def wants(era: str, cut: float) -> None: ...

    given = literals.merged([Arguments.of("era", "1e3"), Arguments({"cut": 1})])
    found = understood(wants, given)
    assert described(found) == "era = '1e3' (str), cut = 1.0 (float)"
    told = as_json(found, given)
    assert told["era"] == {"value": "'1e3'", "type": "str", "written": "1e3"}
    assert understood(wants, again([{"era": 1000.0}, {"cut": 1}], told)) == found


def test_the_identity_of_arguments_follows_from_what_can_matter() -> None:
    def same(one: Any, other: Any) -> bool:
        return literals.identity({"x": one}) == literals.identity({"x": other})

    assert same({"b", "a"}, {"a", "b"})
    assert not same({"b": 1, "a": 2}, {"a": 2, "b": 1})  # the first match of two is another
    values = {"x": 1, "y": 2}
    assert literals.identity(values) == literals.identity(dict(reversed(values.items())))
    for one, other in [(1, 1.0), (1, True), (1, "1"), ([1], (1,)), (None, "None"), ({"a": 1}, {"a": True})]:
        assert not same(one, other)
    era = [literals.identity(Arguments.of("era", text)) for text in ("1e3", "1000.0", "1000.")]
    assert era[0] != era[1]
