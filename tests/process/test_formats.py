"""Files that programs read: those of real runs fit the schemas of the documents."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import nanoaod
import pytest
import running

from wq_runner.workers import factory_file

SCHEMAS = nanoaod.ROOT / "docs" / "schemas"
SUMS = ("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema", "-e", "iterative", "--chunksize", 20)
FILE = factory_file.FactoryFile(manager_name="me-workqueue-coffea", max_workers=20)


def fits(name: str, value: Any) -> bool:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return not [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(value)]


def validate(name: str, value: Any) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(value)


def check_run(directory: Path) -> dict[str, Any]:
    """Hold what a run left against the schemas, and return its run.json."""
    summary = running.summary(directory)
    validate("run", summary)
    for line in (directory / "journal.jsonl").read_text().splitlines():
        validate("journal", json.loads(line))
    validate("status", json.loads((directory / "status.json").read_text()))
    return summary


@pytest.fixture
def samples(here: Path) -> Path:
    for name in ("one", "two"):
        nanoaod.write_simple(here / name / "a.root", 50)
    return here


def test_of_a_complete_run(samples: Path) -> None:
    where = ("--stage-out", "there", "--outputs", "per-dataset", "--pkl-gz")
    running.run_well(*SUMS, *where, "-o", "out", "one", "two", cwd=samples)
    summary = check_run(samples / "out")
    assert summary["complete"]
    assert summary["staged"]


def test_of_a_partial_run(samples: Path) -> None:
    (samples / "one" / "b.root").write_bytes(b"root, or so it says")
    ended = running.run(
        *SUMS, "--skip-bad-files", "--limit-chunks", 2, "-o", "out", "one", "two", cwd=samples
    )
    assert ended.code == 3
    summary = check_run(samples / "out")
    assert [one["path"].rpartition("/")[2] for one in summary["missing"]] == ["b.root"]
    assert summary["limited"]


def test_of_a_run_that_failed(samples: Path) -> None:
    (samples / "broken.py").write_text("def process(events):\n    raise ValueError(3)\n")
    options = ("-p", "broken.py:process", "--schema", "BaseSchema", "-e", "iterative", "-o", "out", "one")
    assert running.run(*options, cwd=samples).code == 6
    assert check_run(samples / "out")["message"]


def test_of_merged_runs(samples: Path) -> None:
    for name in ("one", "two"):
        running.run_well(*SUMS, "-o", f"out-{name}", name, cwd=samples)
    ended = running.run("merge", "out-one", "out-two", "-o", "whole", cwd=samples, name="wq-report")
    assert ended.code == 0, ended.err
    summary = running.summary(samples / "whole")
    validate("run", summary)
    assert len(summary["merged"]) == 2


def test_a_schema_refuses_what_it_does_not_know() -> None:
    assert not fits("run", {"format": 1})
    assert not fits("sample", {"treeName": "Events"})
    assert not fits("journal", {"time": 0, "event": "Nothing"})


def test_of_sample_jsons(samples: Path) -> None:
    paths = sorted((nanoaod.DIMUON / "sample_jsons").glob("*.json"))
    ended = running.run(
        "convert", "--to", "topcoffea", "-o", "jsons", "one", "two", cwd=samples, name="wq-samples"
    )
    assert ended.code == 0, ended.err
    paths += sorted((samples / "jsons").rglob("*.json"))
    assert len(paths) >= 5
    for path in paths:
        validate("sample", json.loads(path.read_text()))


def test_every_key_of_a_factory_is_in_its_schema() -> None:
    known = json.loads((SCHEMAS / "factory.schema.json").read_text())["properties"]
    assert set(known) == {*factory_file.KEYS, *factory_file.OLD_NAMES}
    for name, default in factory_file.DEFAULTS.items():
        assert known[name]["default"] == default


@pytest.mark.parametrize(
    "text",
    [
        (nanoaod.ROOT / "factory.json").read_text(),
        factory_file.text_of(FILE),
        factory_file.text_of(dataclasses.replace(FILE, max_workers=0, min_workers=0)),
        '{"manager-name": "me", "cores": "4"}',
        '{"manager-name": "me", "memory": -1}',
        '{"manager-name": 3}',
        '{"manager-name": "me", "max-workers": 20.5}',
        '{"max-workers": 20}',
    ],
)
def test_a_factory_file_fits_where_its_check_finds_nothing_wrong(text: str) -> None:
    assert fits("factory", json.loads(text)) == (not factory_file.check(text).errors)
