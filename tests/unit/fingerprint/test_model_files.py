"""Files that Python is not told of are known by their names."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wq_runner.fingerprint import model_files
from wq_runner.fingerprint.identity import Places


def named(script: str, **attributes: Any) -> dict[str, str]:
    path = Path("analysis") / "script.py"
    path.write_text(script, encoding="utf-8")
    base = path.parent.resolve()
    return model_files.named([path], SimpleNamespace(**attributes), Places(base=base, roots=(base,)))


@pytest.fixture(autouse=True)
def files(here: Path) -> None:
    for name in ("analysis/models/bdt_2018.ubj", "elsewhere/net.onnx", "elsewhere/sf.json"):
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1", encoding="utf-8")


def test_a_file_beside_a_script_that_its_text_names() -> None:
    assert set(named("load(HERE / 'models' / f'bdt_{year}.ubj')")) == {"file models/bdt_2018.ubj"}
    assert named("load('other.ubj'); open('sf.json')") == {}


def test_a_file_by_its_path(here: Path) -> None:
    expected = {f"file {here}/elsewhere/net.onnx"}
    assert set(named(f"Session({str(here / 'elsewhere/net.onnx')!r})")) == expected
    assert set(named("Session('elsewhere/net.onnx')")) == expected


def test_a_file_that_an_attribute_names(here: Path) -> None:
    options = {
        "by year": {2018: [here / "elsewhere/net.onnx"], 2017: ["missing.onnx"]},
        "sf": "elsewhere/sf.json",
    }
    assert set(named("", options=options)) == {f"file {here}/elsewhere/net.onnx"}


def test_another_content_has_another_hash(here: Path) -> None:
    before = named("Session('elsewhere/net.onnx')")
    (here / "elsewhere/net.onnx").write_text("2", encoding="utf-8")
    assert named("Session('elsewhere/net.onnx')") != before


def test_a_table_that_a_library_may_open_by_itself(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sf.parquet", "histograms.root", "late.csv"):
        (here / "analysis" / name).write_text("1", encoding="utf-8")
    names = "NAMES = 'sf.parquet', 'histograms.root'"
    assert named(names) == {}
    assert set(named(f"import pyarrow.parquet as pq\n{names}")) == {"file sf.parquet"}
    assert set(named(f"import pandas as pd\npd.read_parquet(HERE / 'sf.parquet')\n{names}")) == {
        "file sf.parquet"
    }
    assert set(named(f"import ROOT\n{names}")) == {"file histograms.root"}
    assert set(named("import polars", table=here / "analysis/late.csv")) == {"file late.csv"}
    monkeypatch.setattr(model_files, "_LARGEST", 0)  # such are rather data
    assert named(f"import pyarrow\n{names}") == {}
