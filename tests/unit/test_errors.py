from __future__ import annotations

import re

from wq_runner import errors
from wq_runner.errors import Problem, SamplesError, WqRunnerError, did_you_mean, nearest


def every_error() -> dict[str, type[WqRunnerError]]:
    return {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, WqRunnerError)
    }


def test_the_tree_that_is_drawn_is_the_tree_that_is() -> None:
    drawn = re.findall(r"(\w+Error)\s+(\d+)", errors.__doc__ or "")
    assert {(name, int(code)) for name, code in drawn} == {
        (name, kind.exit_code) for name, kind in every_error().items()
    }


def test_coffea_does_not_take_them_for_bad_files() -> None:
    assert not [name for name, kind in every_error().items() if issubclass(kind, OSError)]


def test_all_problems_at_once() -> None:
    problems = [Problem(where="a.cfg:9", text="no"), Problem(where="a.cfg:10", text="neither")]
    assert str(SamplesError("a.cfg", problems)) == (
        "a.cfg has 2 problems\n  a.cfg:9    no\n  a.cfg:10   neither"
    )


def test_nearest() -> None:
    assert nearest("chunk-size", ["chunksize", "schema"]) == "chunksize"
    assert nearest("TTo*", ["DYJets", "TTTo2L2Nu", "TTTo4Q"]) == "TTTo2L2Nu"
    assert nearest("xyz*", ["DYJets"]) is None
    assert did_you_mean("chunk-size", ["chunksize"]) == " Did you mean chunksize?"
    assert did_you_mean("xyz", ["chunksize"]) == ""
