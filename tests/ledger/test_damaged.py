"""A random bit in a random file of a run that ended, was killed, or was staged out, and of the cache.

Whatever reads it then gives the right numbers or refuses, the next start makes good what is damaged, and the
one after that has nothing to do. More of it: ``WQ_TESTS_FLIPS=5000 pytest tests/ledger/test_damaged.py``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import flips
import pytest
from flips import World

NUMBER = int(os.environ.get("WQ_TESTS_FLIPS", "10"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("flips"))
    yield world
    world.close()


def test_a_bit_in_any_file(world: World) -> None:
    cases = [flips.play(world, seed) for seed in range(NUMBER)]
    wrong = [str(case) for case in cases if case.wrong]
    assert not wrong, "\n".join(wrong[:5])
    assert len({flips.kind_of(case.damage.path) for case in cases}) > NUMBER // 6


def test_what_is_damaged_is_named(world: World) -> None:
    world.put_back("finished")
    victim = next((world.here / "out" / "files").rglob("*.parquet"))
    flips.flip(victim, 100, 3)
    refused = world.run("wq-report", "merge", "--kind", "parquet", "out", "-o", "joined")
    assert refused.refused
    assert victim.name in refused.err
    assert "start the command of the run again" in refused.err
    again = world.run(*world.command("finished"))
    assert victim.name in again.out, again.text
    assert re.search(r"results of \d+ chunks? are missing or damaged", again.out), again.text


def test_lines_of_another_version_do_not_count(world: World) -> None:
    """Nobody knows whether they are what was written; what they speak of is kept."""
    world.put_back("killed")
    journal = world.here / "out" / "journal.jsonl"
    lines = journal.read_bytes().splitlines()
    journal.write_bytes(b"".join(line[: line.rindex(b',"crc"')] + b"}\n" for line in lines))
    said = world.run(*world.command("killed"))
    assert "starting over" in said.out, said.text
    assert "whose lines have no checksums" in said.out
    assert flips.right(world.here) == ""
    assert {path.name for path in (world.here / "out" / "damaged").iterdir()} == {
        "journal.jsonl",
        "ledger",
        "files",
    }


def test_a_ledger_that_was_removed_is_no_damage(world: World) -> None:
    world.put_back("finished")
    for path in (world.here / "out" / "ledger").iterdir():
        path.unlink()
    said = world.run(*world.command("finished"))
    assert "is there already" in said.out, said.text
    refused = world.run("wq-report", "merge", "out", "other", "-o", "sum")
    assert refused.refused
    assert "ledger/" in refused.err
