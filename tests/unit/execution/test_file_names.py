"""How files are called that a processor wrote."""

from __future__ import annotations

import pytest

from wq_runner.execution.files import file_name

UUID = "0123456789abcdef0123456789abcdef"
KEY = ("root://host//store/nano_1.root", "Friends/Events", 500, 750, UUID)
TEXT = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.mark.parametrize(
    ("naming", "written", "expected"),
    [
        ("uuid", "skim.parquet", f"DY/skim_{TEXT}_500-750.parquet"),
        ("uuid", "up/skim.parquet", f"DY/up/skim_{TEXT}_500-750.parquet"),
        ("das", "skim.parquet", "DY/skim/nano_1_Events_500-750.parquet"),
        ("das", "up/skim.parquet", "DY/up/nano_1_Events_500-750.parquet"),
        ("legacy", "skim.parquet", f"DY/skim/{TEXT}_Events_500-750.parquet"),
        ("legacy", "up/skim.tar.gz", f"DY/up/{TEXT}_Events_500-750.tar.gz"),
    ],
)
def test_names_tell_the_chunk(naming: str, written: str, expected: str) -> None:
    assert file_name(naming, "DY", KEY, written) == expected


@pytest.mark.parametrize("naming", ["uuid", "das", "legacy"])
def test_no_dataset_leads_elsewhere(naming: str) -> None:
    for dataset in ("..", "/DY/Run3/NANOAOD", "a\\b", "a\0b"):
        first = file_name(naming, dataset, KEY, "x.root").split("/")[0]
        assert first not in {"", ".", ".."}
        assert not set("\\\0") & set(first)
