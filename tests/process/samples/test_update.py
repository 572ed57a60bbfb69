"""Sample JSONs brought up to date from their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nanoaod
import numpy as np
import pytest
import running
import uproot

WEIGHTS = np.array([1.5, -0.5, 2.0])


def write(path: Path, *, weights: Any = WEIGHTS, runs: dict[str, Any] | None = None) -> Path:
    """Write a skim: three events that were kept, and in Runs what was generated."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with uproot.recreate(path) as file:
        content = {"x": np.arange(3.0)} | ({} if weights is None else {"genWeight": weights})
        file.mktree("Events", dict.fromkeys(content, "f8")).extend(content)
        if runs is not None:
            values = {name: np.array(value) for name, value in runs.items()}
            file.mktree("Runs", {name: value.dtype for name, value in values.items()}).extend(values)
    return path


def sample(path: Path, files: list[str], **fields: Any) -> Path:
    """Write a sample JSON in a form of its own."""
    document = {"xsec": 88.29, "nEvents": 7, "files": files, **fields, "übrig": [1, {"a": 1e-5}]}
    path.write_text(json.dumps(document, indent=3, ensure_ascii=False) + "\n\n")
    return path


def update(here: Path, *words: object) -> running.Ended:
    return running.run("update", *words, cwd=here, name="wq-samples")


def numbers(path: Path) -> tuple[Any, ...]:
    document = json.loads(path.read_text())
    return tuple(document.get(key) for key in ("nEvents", "nGenEvents", "nSumOfWeights"))


def test_simulation_data_and_skims(tmp_path: Path) -> None:
    old = {"genEventCount_": [10, 20], "genEventSumw_": [4.5, 5.5]}
    new = {"genEventCount": [5], "genEventSumw": [2.5], "other": [1]}
    write(tmp_path / "a.root", runs=old)
    write(tmp_path / "b.root", runs=new)
    write(tmp_path / "data.root", weights=None, runs={"run": [1]})
    skim = sample(tmp_path / "skim.json", ["a.root", "b.root"], isData=False, nSumOfWeights_ISRUp=3.0)
    plain = sample(tmp_path / "plain.json", ["c.root"])
    write(tmp_path / "c.root")
    data = sample(tmp_path / "data.json", ["data.root"], isData=True)
    (tmp_path / "s.cfg").write_text("skim.json\nplain.json\ndata.json\n")
    dry = update(tmp_path, "--dry-run", "s.cfg")
    assert (dry.code, numbers(skim)) == (0, (7, None, None))
    ended = update(tmp_path, "s.cfg")
    assert ended.code == 0, ended.err
    assert (numbers(skim), numbers(plain), numbers(data)) == ((6, 35, 12.5), (3, 3, 3.0), (3, 3, 3))
    assert "skim: nEvents 7 -> 6, nGenEvents none -> 35, nSumOfWeights none -> 12.5" in ended.out
    assert "skim: nSumOfWeights_ISRUp are as they were" in ended.err
    # other keys, their order and the form of the file stay
    keys = [
        "xsec",
        "nEvents",
        "files",
        "isData",
        "nSumOfWeights_ISRUp",
        "übrig",
        "nGenEvents",
        "nSumOfWeights",
    ]
    text = skim.read_text()
    assert list(json.loads(text)) == keys
    assert text.startswith('{\n   "xsec": 88.29,\n')
    assert text.endswith("}\n\n")
    assert json.loads(text)["übrig"] == [1, {"a": 1e-5}]
    assert "ü" in text
    before = skim.stat().st_mtime_ns
    again = update(tmp_path, "s.cfg")
    assert again.out.count("up to date") == 3
    assert skim.stat().st_mtime_ns == before


def test_what_cannot_be_counted_is_left_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "a.root")
    write(tmp_path / "data.root", weights=None)
    nanoaod.write_garbage(tmp_path / "bad.root")
    good = sample(tmp_path / "good.json", ["a.root"])
    others = [
        sample(tmp_path / "bad.json", ["a.root", "bad.root"]),
        sample(tmp_path / "mixed.json", ["a.root", "data.root"]),
        sample(tmp_path / "wrong.json", ["a.root"], isData=True),
    ]
    before = [path.read_bytes() for path in others]
    ended = update(tmp_path, good, *others)
    assert ended.code == 3
    assert numbers(good) == (3, 3, 3.0)
    assert [path.read_bytes() for path in others] == before
    assert "bad: left as it is\n  " in ended.out
    assert "bad.root: not a ROOT file" in ended.out
    assert "data and simulation are mixed" in ended.out
    assert "the sample is data by its metadata, but its files have genWeight" in ended.out


def test_only_sample_jsons_have_these_numbers(tmp_path: Path) -> None:
    write(tmp_path / "a.root")
    (tmp_path / "fileset.json").write_text('{"A": ["a.root"]}')
    ended = update(tmp_path, "fileset.json", "a.root")
    assert ended.code == 2
    assert "A is not from a sample JSON of its own" in ended.error
    assert "a is not from a sample JSON of its own" in ended.error


@pytest.mark.parametrize("kind", nanoaod.KINDS)
def test_as_the_survey_counts(tmp_path: Path, kind: str) -> None:
    path = nanoaod.write_samples(tmp_path, [kind], files=2, events=500)
    (made,) = (tmp_path / "sample_jsons").glob("*.json")
    expected = numbers(made)
    document = json.loads(made.read_text())
    made.write_text(json.dumps({**document, "nEvents": 0, "nSumOfWeights": 0, "nGenEvents": 0}))
    assert update(tmp_path, path).code == 0
    assert numbers(made) == pytest.approx(expected)
