"""factory.json: read as laxly as the engine reads it, checked, edited in place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wq_runner.errors import UsageError
from wq_runner.workers import factory_check, factory_file
from wq_runner.workers.factory_check import Known
from wq_runner.workers.factory_file import FactoryFile, NotUnderstoodError

ROOT = Path(__file__).parents[3]

LAX = """\
{ # for the long queue
  "manager-name": "me-workqueue-coffea",
  "max-workers": 20, # at night
  "min-workers": 1,
}
"""


def errors(text: str) -> list[str]:
    return [f"{one.where} {one.text}" for one in factory_file.check(text, "f").errors]


def test_what_is_written_is_strict_json_without_what_is_not_said() -> None:
    text = factory_file.text_of(FactoryFile(manager_name="me", max_workers=10, cores=4, memory=8000))
    assert json.loads(text) == {
        "manager-name": "me",
        "max-workers": 10,
        "min-workers": 0,
        "cores": 4,
        "memory": 8000,
    }
    assert errors(text) == []


def test_the_repositorys_own_file_is_right() -> None:
    text = (ROOT / "factory.json").read_text()
    found = json.loads(text)
    assert found["manager-name"] == "USER-workqueue-coffea"
    assert found["worker-extra-options"] == "--parent-death"  # so that they end with a local factory
    report = factory_file.check(text)
    assert (report.errors, report.warnings) == ((), ())


def test_comments_and_a_last_comma_are_taken_as_the_engine_takes_them() -> None:
    report = factory_file.check(LAX, "f")
    assert report.errors == ()
    assert report.values == {"manager-name": "me-workqueue-coffea", "max-workers": 20, "min-workers": 1}
    assert [one.where for one in report.warnings] == ["f:1", "f:3", "f:4"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('"max-worker": 3', "f:2 no key max-worker, the factory ignores it. Did you mean max-workers?"),
        ('"cores": "4"', 'f:2 cores is "4": the factory takes a whole number only, without quotes'),
        ('"cores": true', "f:2 cores is true: the factory takes a whole number only, without quotes"),
        ('"cores": null', "f:2 cores is null: the factory takes a whole number only, without quotes"),
        ('"cores": 1.5', "f:2 cores is 1.5: the factory takes a whole number only, without quotes"),
        ('"cores": -1', "f:2 cores is -1: it must not be negative"),
        ('"worker-extra-options": 5', "f:2 worker-extra-options is 5: it must be a text in quotes"),
        ('"max-workers": 9', "f:2 max-workers stands in line 1 already: the first one counts"),
        ('"min-workers": 6', "f min-workers is 6, above max-workers, 5"),
        ("", "f:2 string or } expected, but there is }"),
        ('"cores": }', "f:2 a value expected, but there is }"),
        ('"cores": 4 "disk": 5', 'f:2 , or } expected, but there is "disk"'),
        ('"cores": §', "f:2 '§}' is not understood"),
    ],
)
def test_each_mistake_has_its_message(entry: str, said: str) -> None:
    text = f'{{ "manager-name": "me", "max-workers": 5,\n{entry or ":"}}}'
    found = errors(text)
    if entry:
        assert said in found
    else:
        assert found == ["f:2 string or } expected, but there is :"]


def test_min_workers_has_a_default_that_may_be_above_max() -> None:
    text = '{"manager-name": "me", "max-workers": 3}'
    assert errors(text) == ["f min-workers, its default, is 5, above max-workers, 3"]


def test_a_name_that_is_no_pattern() -> None:
    assert "is no regular expression" in errors('{"manager-name": "a(", "min-workers": 0}')[0]
    assert errors('{"min-workers": 0}') == ["f no manager-name: whom are the workers for?"]


def test_editing_leaves_everything_else_as_it_is() -> None:
    edited = factory_file.edit(LAX, {"max-workers": 200, "min-workers": 0})
    assert edited == LAX.replace("20,", "200,").replace('"min-workers": 1', '"min-workers": 0')
    added = factory_file.edit(LAX, {"workers-per-cycle": 7})
    assert factory_file.parse(added).values["workers-per-cycle"] == 7
    assert "# at night" in added
    assert json.loads(factory_file.edit('{"cores": 1}', {"max-workers": 2})) == {"cores": 1, "max-workers": 2}
    assert json.loads(factory_file.edit("{}", {"max-workers": 2})) == {"max-workers": 2}


def test_scaling_to_nonsense_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "factory.json"
    path.write_text(LAX)
    with pytest.raises(UsageError, match="min-workers is 30, above max-workers, 20; nothing was changed"):
        factory_file.scale(path, {"min-workers": 30})
    assert path.read_text() == LAX
    path.write_text("{ broken")
    with pytest.raises(UsageError, match="wq-workers check"):
        factory_file.scale(path, {"max-workers": 3})


def test_what_is_not_understood_says_where() -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        factory_file.parse('{\n"a": 1\n"b": 2}')
    assert caught.value.line == 3


def test_names_are_escaped_for_posix() -> None:
    assert factory_file.escaped("me-x.y+z") == r"me-x\.y\+z"


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ([], "no manager has the name me-workqueue-coffea now"),
        (
            [Known(name="you-workqueue-coffea")],
            "no manager has the name me-workqueue-coffea now; nearest: you-workqueue-coffea",
        ),
        (
            [Known(name="me-workqueue-coffea", cores=4)],
            "workers have cores 2, tasks of me-workqueue-coffea ask for 4",
        ),
        (
            [Known(name="me-workqueue-coffea", memory=9000)],
            "workers have memory 8000 MB, tasks of me-workqueue-coffea ask for 9000 MB",
        ),
        ([Known(name="me-workqueue-coffea", cores=2, memory=8000)], None),
    ],
)
def test_compared_with_the_managers_there_are(known: list[Known], said: str | None) -> None:
    text = '{"manager-name": "me-workqueue-coffea", "min-workers": 0, "cores": 2, "memory": 8000}'
    found = factory_check.compare(factory_file.check(text), known)
    assert found == ([said] if said else [])
