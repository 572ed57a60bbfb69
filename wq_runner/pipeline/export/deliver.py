"""The end of a job whose results go elsewhere: ``python -m ... RESULT URL`` copies all of them there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from wq_runner.errors import OutputError, WqRunnerError
from wq_runner.pipeline import stageout
from wq_runner.pipeline.stageout import Staged
from wq_runner.system import RunPaths


def deliver(result: Path, url: str) -> list[Staged]:
    """Copy what a run left to a path or URL; its run.json last, as it says that all is there.

    Raises
    ------
    OutputError
        If a file could not be brought there whole.
    """
    summary = RunPaths(root=result).summary
    left_out = (summary.name, ".lock")
    found = [path for path in sorted(result.rglob("*")) if path.is_file() and path.name not in left_out]
    names = ((path, path.relative_to(result).as_posix()) for path in (*found, summary))
    return stageout.destination(url).stage(names)


def fetch(url: str, result: Path, wanted: Callable[[str], bool] = lambda _: True) -> None:
    """Copy what a job delivered back to a directory; files whose names are `wanted`.

    Raises
    ------
    OutputError
        If nothing is there, or cannot be read.
    """
    place = stageout.destination(url)
    try:
        for path in sorted(place.filesystem.find(place.root)):
            name = str(path)[len(place.root) :].lstrip("/")
            if wanted(name):
                target = result / name
                target.parent.mkdir(parents=True, exist_ok=True)
                place.filesystem.get_file(path, str(target))
    except Exception as error:  # each file system has its own
        raise OutputError(f"{url} cannot be read: {type(error).__name__}: {error}") from error


if __name__ == "__main__":
    try:
        deliver(Path(sys.argv[1]), sys.argv[2])
    except WqRunnerError as failed:
        sys.exit(f"error: {failed}")
