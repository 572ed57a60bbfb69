"""What is known of releases of the engine."""

from __future__ import annotations

import types

import pytest

from wq_runner.engine import release


@pytest.mark.parametrize(
    ("which", "prompt", "foremen"), [("9.9", True, True), ("7.17.1", False, False), ("7.15.2", False, True)]
)
def test_what_is_known_of_a_release(which: str, prompt: bool, foremen: bool) -> None:
    assert (release.is_prompt(which), release.carries_foremen(which)) == (prompt, foremen)


def test_the_module_says_its_release_and_ours_is_debians() -> None:
    official = types.ModuleType("work_queue")
    official.__dict__["__version__"] = "7.17.1"
    assert release.release_of(official) == "7.17.1"
    assert release.release_of(types.ModuleType("work_queue")) == "9.9"
