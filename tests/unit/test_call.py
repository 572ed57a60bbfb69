"""What `wq_runner.run` takes for samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wq_runner.errors import UsageError
from wq_runner.pipeline import call


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("a.cfg", ["a.cfg"]),
        (Path("a.cfg"), ["a.cfg"]),
        (["a.cfg", Path("b.root")], ["a.cfg", "b.root"]),
        ((Path(name) for name in ("a.root", "b.root")), ["a.root", "b.root"]),  # as of a glob
    ],
)
def test_one_or_several_names(given: Any, names: list[str]) -> None:
    assert call._names(given) == names


def test_a_fileset() -> None:
    [name] = call._names({"A": {"files": ["a.root"]}})
    assert json.loads(Path(name).read_text()) == {"A": {"files": ["a.root"]}}


def test_a_processor_is_none() -> None:
    with pytest.raises(UsageError, match="the samples are object: run\\(\\) takes the samples first"):
        call._names(object())  # type: ignore[arg-type]


def test_values_of_python_go_to_the_processor_as_they_are() -> None:
    given = {"syst": "False", "era": 2018}
    for form in (given, [given]):
        [found] = call._options({"processor_args": form}).processor_args
        assert (found, type(found)) == (given, dict)
    [found] = call._options({"processor_args": "syst=False"}).processor_args
    assert found == {"syst": False}
