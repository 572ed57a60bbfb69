"""The end of a job whose results go elsewhere: ``python -m ... RESULT URL EXPORT`` copies them there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from wq_runner.errors import OutputError, WqRunnerError
from wq_runner.output import ownership, stageout
from wq_runner.output.ownership import Owner
from wq_runner.output.stageout import Destination, Staged
from wq_runner.system import RunPaths


def deliver(result: Path, url: str, export: str) -> list[Staged]:
    """Copy what a job of an `export` left to a path or URL; run.json last, as it says that all is there.

    Raises
    ------
    OutputError
        If a file could not be brought there whole.
    """
    summary = RunPaths(root=result).summary
    left_out = (summary.name, ".lock")
    found = [path for path in sorted(result.rglob("*")) if path.is_file() and path.name not in left_out]
    names = ((path, path.relative_to(result).as_posix()) for path in (*found, summary))
    owner = Owner(run=export, place=f"a job of the export {export}")
    return ownership.bring(stageout.destination(url), owner, names, ownership.OF_A_JOB)


def fetch(url: str, result: Path, wanted: Callable[[str], bool] = lambda _: True) -> None:
    """Copy what a job delivered back to a directory; files whose names are `wanted`.

    Raises
    ------
    OutputError
        If nothing is there, or cannot be read.
    """
    place = stageout.destination(url)
    try:
        for name in _names(place):
            if wanted(name):
                target = result / name
                target.parent.mkdir(parents=True, exist_ok=True)
                place.filesystem.get_file(f"{place.root}/{name}", str(target))
    except Exception as error:  # each file system has its own
        raise OutputError(f"{url} cannot be read: {type(error).__name__}: {error}") from error


def _names(place: Destination) -> list[str]:
    """Return what belongs there, by the list of its owner; all there is, if it has none."""
    found = ownership.read(place)
    if found is None:
        return [
            str(path)[len(place.root) :].lstrip("/") for path in sorted(place.filesystem.find(place.root))
        ]
    if not found.whole:
        raise OSError("not all of it was brought there")
    return sorted(found.files)


if __name__ == "__main__":
    try:
        deliver(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
    except WqRunnerError as failed:
        sys.exit(f"error: {failed}")
