"""What tells whether a record is as it was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wq_runner import checksums
from wq_runner.checksums import DamagedRecordError

VALUE: dict[str, Any] = {"é": [1, 2.5, None], "path": "/a", "last": {"checksum": "x", "none": {}}}
TRICKY = st.sampled_from(["}, {", "a}, {b", '"}, {"', "x"])


def test_a_record_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    checksums.write_json(path, {**VALUE, "path": Path("/a")})
    assert checksums.read_json(path) == VALUE
    found = json.loads(path.read_text())
    assert {name: found[name] for name in VALUE} == VALUE
    assert list(found)[-1] == "checksum"


def test_of_a_long_list_each_entry_is_a_line(tmp_path: Path) -> None:
    value = {
        "state": "a\nb",
        "none": [],
        "few": [{"a": {}}],
        "files": [{"path": f"é{n}"} for n in range(100)],
    }
    checksums.write_json(tmp_path / "run.json", value)
    lines = (tmp_path / "run.json").read_text(encoding="utf-8").splitlines()
    assert lines.index('    {"path": "é1"},') == lines.index('  "files": [') + 2
    assert checksums.read_json(tmp_path / "run.json") == value


@given(st.lists(st.dictionaries(TRICKY, TRICKY | st.lists(st.dictionaries(TRICKY, TRICKY))) | TRICKY))
def test_a_list_by_lines_reads_back_whatever_is_in_it(entries: list[Any]) -> None:
    text = checksums._by_lines(entries, json.JSONEncoder().encode)
    assert json.loads(text) == entries
    assert len(text.splitlines()) >= len(entries)


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    checksums.write_json(path, {"name": "a\udcff"})
    assert checksums.read_json(path) == {"name": "a\udcff"}


@pytest.mark.parametrize("indent", [2, None])
def test_every_flipped_bit_of_a_record_is_seen(indent: int | None) -> None:
    content = checksums.sealed_json(json.dumps(VALUE, indent=indent)).encode()
    assert checksums.check_json(content, "record.json") == VALUE
    for place in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(DamagedRecordError, match=r"record.json is damaged"):
            checksums.check_json(bytes(flipped), "record.json")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"a": 1}', b'"checksum": "x"', b"\0" * 50])
def test_what_has_no_checksum_is_refused(content: bytes) -> None:
    with pytest.raises(DamagedRecordError):
        checksums.check_json(content, "record.json")


def test_every_flipped_bit_of_a_line_is_seen() -> None:
    line = checksums.seal(b'{"a":1,"b":"x"}', 7)
    assert json.loads(line)["a"] == 1
    assert checksums.is_whole(line, 7)
    assert not checksums.is_whole(line, 8)
    for place in range(8 * len(line)):
        flipped = bytearray(line)
        flipped[place // 8] ^= 1 << place % 8
        assert not checksums.is_whole(bytes(flipped), 7)


def test_a_line_without_a_seed_counts_with_any() -> None:
    assert checksums.is_whole(checksums.seal(b'{"a":1}'), 8)
