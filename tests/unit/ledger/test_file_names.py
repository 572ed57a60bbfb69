"""How files are called that a processor wrote."""

from __future__ import annotations

import pytest

from wq_runner import names
from wq_runner.ledger.side_files import file_name

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


@pytest.mark.parametrize("naming", ["uuid", "das", "legacy"])
def test_datasets_share_no_file(naming: str) -> None:
    datasets = ("a b", "a-b", "a/b", "a\\b", "a~b", "", "A b")
    assert len({file_name(naming, name, KEY, "x.root").lower() for name in datasets}) == len(datasets) - 1
    folders = names.file_names(datasets)
    found = {file_name(naming, name, KEY, "x.root", folder=folders[name]).lower() for name in datasets}
    assert len(found) == len(datasets)


@pytest.mark.parametrize("naming", ["uuid", "das", "legacy"])
def test_the_longest_names_fit(naming: str) -> None:
    key = (f"/data/{'f' * 250}.root", "Tree" * 60, 10**12 - 1, 10**12, UUID)
    found = file_name(naming, "d" * 250, key, f"{'u' * 250}/{'s' * 240}.tar.gz")
    # what is called the same gets a mark, and a temporary file a suffix
    assert all(len(part) <= 255 - len("01234567+") - len(".part-01234567") for part in found.split("/"))
    assert found.endswith(f"_{10**12 - 1}-{10**12}.tar.gz")
