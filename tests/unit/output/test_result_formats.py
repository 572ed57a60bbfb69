"""What every format of a result keeps: one more is asked for all of it by being in the list."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from wq_runner import formats, kept_results
from wq_runner.config.options import RunOptions
from wq_runner.config.resolved import resolve
from wq_runner.errors import ProcessorError
from wq_runner.formats import Format
from wq_runner.output import ownership, result_files
from wq_runner.output.result_files import Form
from wq_runner.system import RunPaths


@pytest.fixture(params=formats.FORMATS, ids=lambda one: one.name)
def one(request: pytest.FixtureRequest) -> Format:
    found: Format = request.param
    return found


def also(one: Format) -> tuple[str, ...]:
    return () if one is formats.COFFEA else (one.name,)


def test_the_same_result_is_the_same_file(one: Format, tmp_path: Path) -> None:
    value = {"events": 3, "names": ["a", "b"]}
    first, again = (result_files.save(value, tmp_path / name, also(one))[-1] for name in ("first.a", "again"))
    assert first.name == f"first.a{one.suffix}"  # a dot in the name of a dataset ends nothing
    assert first.read_bytes() == again.read_bytes()


def test_what_cannot_be_written_leaves_nothing(one: Format, tmp_path: Path) -> None:
    class Stubborn:
        def __reduce__(self) -> Any:
            raise TypeError("not me")

    only = dataclasses.replace(formats.COFFEA, suffix=one.suffix, write=one.write)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "COFFEA", only)
        with pytest.raises(ProcessorError, match="holds what cannot be written in "):
            result_files.save(Stubborn(), tmp_path / "output")
    assert not list(tmp_path.iterdir())


def test_its_file_is_known_as_one_of_a_run(one: Format, tmp_path: Path) -> None:
    name = f"{formats.WHOLE}{one.suffix}"
    assert tmp_path / name in RunPaths(root=tmp_path).results
    assert name in ownership.OF_A_RUN
    assert name in kept_results._LINKED


def test_its_option_asks_for_it(one: Format) -> None:
    if one is formats.COFFEA:
        return  # always there
    asked: dict[str, Any] = {one.name: True}
    assert resolve(RunOptions(**asked)).output.also == (one.name,)
    assert resolve(RunOptions()).output.also == ()


def test_a_record_says_which_were_asked_for(one: Format) -> None:
    form = Form(scheme="per-dataset", names={"A": "a"}, also=also(one))
    record = form.record()
    assert Form.of_record(record) == form
    assert [name for name in formats.ALSO if record[name]] == list(form.also)
    # a record of a time before the format was there
    assert Form.of_record({"scheme": "one", "names": {}, "stage_out": None}) == Form()
