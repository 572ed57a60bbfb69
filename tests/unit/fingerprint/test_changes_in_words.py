"""What changed since the last run, in words that say it once; ledgers hold the names of what is compared."""

from __future__ import annotations

import pytest

from wq_runner.fingerprint import identity

NAMED = {
    "the processor": "__main__:A",
    "the processor itself": "1",
    "the attribute cut of the processor": "1",
}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({}, []),
        ({"the processor": "__main__:B", "the processor itself": "2"}, ["the processor"]),
        ({"the processor": "b.py:B", "the attribute cut of the processor": "2"}, ["the processor"]),
        ({"the processor itself": "2"}, ["the code of the processor"]),
        ({"the attribute cut of the processor": "2"}, ["the attribute cut of the processor"]),
        ({"the processor": "__main__:B", "the schema": "X"}, ["the processor", "the schema"]),
    ],
    ids=["nothing", "another of the same place", "another", "edited in a cell", "another cut", "and more"],
)
def test_it_is_said_once(now: dict[str, str], said: list[str]) -> None:
    assert identity.changes(NAMED, {**NAMED, **now}) == said
