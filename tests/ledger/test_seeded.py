"""The seed of random numbers is a part of what a result depends on."""

from __future__ import annotations

from pathlib import Path

import nanoaod
import running

MINE = Path(running.__file__).with_name("asimported.py")


def test_another_seed_is_another_run_and_the_same_one_gives_the_same_again(tmp_path: Path) -> None:
    nanoaod.write_simple(tmp_path / "data" / "f.root", 100)
    options = ("-p", f"{MINE}:Analysis", "-e", "iterative", "--schema", "BaseSchema", "--chunksize", 50)

    def run(*more: object) -> tuple[str, list[tuple[float, ...]]]:
        ended = running.run_well(*options, *more, "-o", "out", "data", cwd=tmp_path)
        return ended.out, sorted(running.output(tmp_path / "out")["drawn"])

    _, first = run()
    assert running.summary(tmp_path / "out")["random_numbers"]["seed"] is None
    said, other = run("--seed", 5)
    assert "the seed of random numbers changed since the last run" in said
    assert not {number for one in first for number in one} & {number for one in other for number in one}
    assert running.summary(tmp_path / "out")["random_numbers"]["seed"] == 5
    said, again = run("--seed", 5)
    assert "is there already" in said
    _, again = run("--seed", 5, "--fresh")
    assert again == other
    said, again = run()
    assert "is there already" in said  # what it gave without a seed is kept
    said, again = run("--fresh")
    assert again == first
