from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from msgspec import structs

from wq_runner import journal
from wq_runner.journal import Journal
from wq_runner.run_events import (
    Accepted,
    Event,
    Fingerprint,
    HostBlocked,
    Merged,
    PhaseEnded,
    PhaseStarted,
    Plan,
    RunEnded,
    RunStarted,
    SideFile,
)

ITEM = ("/data/é 1.root", "Events", 0, 10, "ff")


def example(kind: type[Event]) -> Event:
    """Make an event with a value in every field."""
    values: dict[str, Any] = {}
    hints = get_type_hints(kind)
    for field in structs.fields(kind):
        hint = hints[field.name]
        if field.name == "items":
            values[field.name] = (ITEM,) if get_origin(hint) is tuple else 3
        elif field.name == "datasets" and get_origin(hint) is not tuple:
            values[field.name] = {"DY": Plan(items=2, events=10)}
        elif field.name == "values":
            values[field.name] = {"the processor": "ab"}
        elif get_origin(hint) is tuple:
            values[field.name] = tuple(
                SideFile(name="a", size=1, checksum="b") if kind is SideFile else kind(1)
                for kind in get_args(hint)[:1]
            )
        elif hint in (str, int, float, bool):
            values[field.name] = hint(1)
        elif field.required:
            values[field.name] = 1.0
    return kind(**values)


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_every_event_reads_back(tmp_path: Path, kind: type[Event]) -> None:
    written = Journal(tmp_path / "journal.jsonl", clock=lambda: 12.5)
    event = example(kind)
    written.record(event)
    written.close()
    assert list(journal.read(tmp_path / "journal.jsonl")) == [(12.5, event)]


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    written = Journal(path)
    written.record(RunStarted(command=("wq-run", "a.cfg"), version="1"))
    written.record(RunEnded(code=0))
    written.close()
    whole = path.read_bytes()
    first = len(whole.splitlines(keepends=True)[0])
    for length in range(first, len(whole)):
        path.write_bytes(whole[:length])
        assert [type(event) for _, event in journal.read(path)] == [RunStarted]


def test_what_a_later_version_added_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(
        json.dumps({"time": 1, "event": "Unheard", "what": 1})
        + "\n"
        + json.dumps({"time": 2, "event": "RunEnded", "code": 0, "message": "", "new": [1]})
        + "\n"
    )
    assert list(journal.read(path)) == [(2, RunEnded(code=0))]


@pytest.mark.parametrize("surrogate", [0xDCFF, 0xD800])
def test_a_name_that_is_not_utf8_reads_back(tmp_path: Path, surrogate: int) -> None:
    written = Journal(tmp_path / "journal.jsonl", clock=lambda: 12.5)
    side = (SideFile(name=f"a{chr(surrogate)}.root", size=1, checksum="b"),)
    event = Accepted(task=1, category="processing", dataset="DY", events=10, items=(ITEM,), files=side)
    written.record(event)
    written.close()
    assert list(journal.read(tmp_path / "journal.jsonl")) == [(12.5, event)]


def test_bytes_of_a_name_are_read_as_they_are() -> None:
    found = journal.parse(b'{"time":1,"event":"HostBlocked","host":"a\xff","reason":"","seconds":1}\n')
    assert found == (1, HostBlocked(host="a\udcff", reason="", seconds=1))


def test_numbers_of_other_libraries_are_numbers(tmp_path: Path) -> None:
    written = Journal(tmp_path / "journal.jsonl", clock=lambda: 12.5)
    written.record(PhaseEnded(category="processing", seconds=np.float64(0.5)))
    written.close()
    assert list(journal.read(tmp_path / "journal.jsonl")) == [
        (12.5, PhaseEnded(category="processing", seconds=0.5))
    ]


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert journal.parse(b'{"time":1,"event":"RunEnded","code":3.0}\n') == (1, RunEnded(code=3))


@pytest.mark.parametrize(
    "line", [b"{}", b"[]", b"1", b"null", b'{"time":1}', b'{"time":1,"event":"RunEnded"}', b"\xff", b""]
)
def test_what_is_no_event_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        journal.parse(line)


def test_it_is_on_disk_at_once(tmp_path: Path) -> None:
    written = Journal(tmp_path / "journal.jsonl")
    written.record(RunEnded(code=0))
    assert list(journal.read(tmp_path / "journal.jsonl"))
    written.close()


def test_appends(tmp_path: Path) -> None:
    for code in (3, 0):
        written = Journal(tmp_path / "journal.jsonl")
        written.record(RunEnded(code=code))
        written.close()
    assert [event for _, event in journal.read(tmp_path / "journal.jsonl")] == [
        RunEnded(code=3),
        RunEnded(code=0),
    ]


def test_a_listener_that_fails_is_dropped_and_the_others_hear_on() -> None:
    heard: list[Event] = []

    def deaf(now: float, event: Event) -> None:
        raise RuntimeError("no ears")

    kept = Journal(listeners=[deaf, lambda now, event: heard.append(event)])
    events: list[Event] = [
        PhaseStarted(category="processing", datasets={}),
        Accepted(task=1, category="processing", dataset="DY", events=10, items=(ITEM,)),
    ]
    for event in events:
        kept.record(event)
    assert heard == events
    assert len(kept.listeners) == 1


@pytest.mark.parametrize("block", [1, 7, 10_000])
@pytest.mark.parametrize("torn", ["", '{"time": 1', "x" * 50])
def test_a_torn_last_line_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, torn: str
) -> None:
    monkeypatch.setattr(journal, "_BLOCK", block)
    for whole in ("", '{"a": 1}\n', '{"a": 1}\n{"b": 2}\n'):
        path = tmp_path / "journal.jsonl"
        path.write_text(whole + torn)
        journal.mend(path)
        assert path.read_text() == whole


# -- damage --


def short(path: Path) -> bytes:
    """Write the journal of a run that was changed once, and return what is in it."""
    written = Journal(path, clock=lambda: 12.5)
    for values, task in ({"the processor": "old"}, 1), ({"the processor": "new"}, 2):
        written.record(RunStarted(command=("wq-run",), version="1"), Fingerprint(values=values))
        written.record(
            Accepted(task=task, category="processing", dataset="DY", events=10, items=(ITEM,)),
            Merged(name="merged-1-1", dataset="DY", of=("part-1",)),
        )
    written.close()
    return path.read_bytes()


def test_a_flipped_bit_takes_events_away_and_makes_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("ERROR", "wq_runner")  # each of thousands of lines is said
    path = tmp_path / "journal.jsonl"
    content = short(path)
    whole = list(journal.read(path))
    assert len(whole) == 8
    for place in range(0, 8 * len(content), 11):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        reader = journal.Reader()
        rest = iter(whole)
        found = list(journal.read(path, reader))
        assert all(event in rest for event in found), place  # in their order
        assert reader.damaged or not journal.ends_well(path), place
        few = journal.Reader()
        kinds = (Fingerprint, Accepted)
        assert list(journal.read(path, few, kinds)) == [one for one in found if isinstance(one[1], kinds)]
        assert bool(few.damaged) == bool(reader.damaged)


def test_what_was_done_under_a_fingerprint_goes_with_it(tmp_path: Path) -> None:
    """It would count for the code before."""
    path = tmp_path / "journal.jsonl"
    lines = short(path).splitlines(keepends=True)
    lines[5] = lines[5].replace(b"new", b"old")
    path.write_bytes(b"".join(lines))
    assert [event for _, event in journal.read(path) if isinstance(event, Accepted)][-1].task == 1
    journal.cut_out_damaged(path)
    assert path.read_bytes() == b"".join(lines[:5])
    assert len(list(journal.read(path))) == 5


@pytest.mark.parametrize("change", ["doubled", "zeroed", "joined"])
def test_lines_that_are_not_alone(tmp_path: Path, change: str) -> None:
    path = tmp_path / "journal.jsonl"
    lines = short(path).splitlines(keepends=True)
    whole = list(journal.read(path))
    match change:
        case "doubled":
            lines.insert(2, lines[2])
            whole.insert(2, whole[2])
        case "zeroed":  # a block that a file system lost
            lines[2:4] = [bytes(len(lines[2]) + 20) + lines[3][20:]]
            del whole[2:4]
        case _:
            assert change == "joined"
            lines[2] = lines[2].rstrip(b"\n")
            del whole[2:4]
    path.write_bytes(b"".join(lines))
    assert list(journal.read(path)) == whole


def test_lines_without_checksums_are_read_where_none_has_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    old = b'{"time":1,"event":"RunEnded","code":3}\n'
    path.write_bytes(old)
    reader = journal.Reader()
    assert [event for _, event in journal.read(path, reader)] == [RunEnded(code=3)]
    assert not reader.sealed
    path.write_bytes(short(path)[len(old) :] + old)
    assert not any(isinstance(event, RunEnded) for _, event in journal.read(path))
