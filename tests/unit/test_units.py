from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wq_runner import units
from wq_runner.engine import queue_process as engine
from wq_runner.remote import guard
from wq_runner.units import GB, MB


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (units.count, "128000", 128_000),
        (units.count, "128_000", 128_000),
        (units.count, "128k", 128_000),
        (units.count, "1.5M", 1_500_000),
        (units.count, 7, 7),
        (units.size, "2GB", 2 * GB),
        (units.size, "2 GiB", 2 * GB),
        (units.size, "2000", 2000 * MB),
        (units.size, "1.5KiB", 1536),
        *((units.size, text, 2 * GB) for text in ("2G", "2g", "2gb", "2048M", "2048m", "2097152K")),
        *((units.size, text, 2 * GB) for text in ("2GiB", "2Gi", "2048MiB")),
        (units.memory, "2G", 2 * GB),
        (units.memory, 300, 300 * MB),
        *((units.worker_memory, text, 4 * GB) for text in (4, "4", "4.0", "4GB", "4096")),
        (units.treereduction, "500M", "500M"),
        (units.seconds, "1:30", 90.0),
        (units.seconds, "12:00:00", 43_200.0),
        (units.seconds, "1-00:00:00", 86_400.0),
        (units.seconds, "90", 90.0),
        (units.seconds, "5m", 300.0),
        (units.seconds, "1.5h", 5400.0),
        (units.seconds, 0, 0.0),
        (units.seconds, "5 minutes", 300.0),
        (units.seconds, "90 sec", 90.0),
        (units.seconds, "2 hours", 7200.0),
        (units.ports, "9123", (9123, 9123)),
        (units.ports, "9123-9130", (9123, 9130)),
        (units.ports, 9123, (9123, 9123)),
        (units.ports, "0", (0, 0)),
    ],
)
def test_parse(parse: Callable[[Any], Any], text: Any, value: Any) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (units.count, "0"),
        (units.count, "-3"),
        (units.count, "1.5"),
        (units.count, "2GB"),
        (units.count, True),
        (units.count, ""),
        (units.count, "many"),
        (units.size, "2Gb"),
        (units.size, "-1"),
        (units.seconds, "5 fortnights"),
        (units.seconds, "nan"),
        (units.ports, "9130-9123"),
        (units.ports, "65536"),
        (units.ports, "http"),
    ],
)
def test_mistakes_name_the_value(parse: Callable[[Any], Any], text: Any) -> None:
    with pytest.raises(ValueError, match="not") as caught:
        parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("parse", "text", "meant"),
    [
        pytest.param(units.memory, "2", "write 2GB", id="of a task"),
        pytest.param(units.memory, 4, "write 4GB", id="from a file"),
        pytest.param(units.memory, "20MB", "Python with coffea in it has 100.0 MB at least", id="said in MB"),
        pytest.param(units.memory, "0", "at least", id="none"),
        pytest.param(units.memory, "2000000000", "write 1.9GB, or 2000000000B", id="bytes"),
        pytest.param(units.size, "8", "write 8GB", id="disk"),
        pytest.param(units.worker_memory, "128", "write 128GB or 128MB", id="either"),
        pytest.param(units.worker_memory, "4MB", "at least", id="of a worker"),
        pytest.param(units.count, "50,000", "write 50_000, or without the comma", id="with a comma"),
    ],
)
def test_numbers_are_plausible(parse: Callable[[Any], Any], text: Any, meant: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)
    assert meant in str(caught.value)
    assert repr(text) in str(caught.value)


@given(st.integers(1, 10**12))
def test_counts_read_back(number: int) -> None:
    assert units.count(str(number)) == units.count(f"{number:_}") == number


@pytest.mark.parametrize(
    ("format_one", "number", "text"),
    [
        (units.format_count, 950, "950"),
        (units.format_count, 12_345, "12,345"),
        (units.format_count, 41_187_330, "41.2 M"),
        (units.format_count, 3.4e9, "3.4 G"),
        (units.format_rate, 0, "0"),
        (units.format_rate, 0.0312, "0.031"),
        (units.format_rate, 1e-5, "<0.01"),
        (units.format_rate, 5.0, "5"),
        (units.format_rate, 2.54, "2.5"),
        (units.format_rate, 9.99, "10"),
        (units.format_rate, 38_800, "38,800"),
        (units.format_size, 999, "999 B"),
        (units.format_size, 16 * GB, "16.0 GB"),
        (units.format_size, 1000 * MB, "1000.0 MB"),
        (units.format_seconds, 4.23, "4.2 s"),
        (units.format_seconds, 102, "1:42"),
        (units.format_seconds, 7391, "2:03:11"),
    ],
)
def test_format(format_one: Callable[[float], str], number: float, text: str) -> None:
    assert format_one(number) == text


@given(st.integers(100, 10**6))
def test_memory_is_what_the_engine_is_told(number: int) -> None:
    """A worker of so many MB has as many for the engine, and N of them N times what is shown."""
    assert units.memory(str(number)) == units.memory(f"{number}MB") == number * engine.MB == number * guard.MB
    assert units.worker_memory(f"{number}MB") // MB == number
    for count in (1, 7, 300):
        each, total = units.memory(f"{number}MB"), count * number * engine.MB
        assert units.format_size(count * each) == units.format_size(total)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e5", 100_000), ("2.5e4", 25_000), ("1E+3", 1000), ("100K", 100_000), (1e5, 100_000)],
)
def test_numbers_of_events_as_physicists_write_them(text: str | float, number: int) -> None:
    assert units.count(text) == number


@pytest.mark.parametrize("text", ["-1", -1, "-5k", "0", 0])
def test_less_than_one_is_said(text: str | float) -> None:
    with pytest.raises(ValueError, match="is not at least 1"):
        units.count(text)
