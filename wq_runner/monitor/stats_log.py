"""Work Queue's own log of a manager: one line of numbers at a time, whose names are in a header.

Columns differ between releases, so they are found by name. A manager that starts again appends.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wq_runner.errors import ReportError

POINTS = 1500
"""More lines than this are thinned out: no picture has more columns."""

_MICROSECOND = 1e-6


@dataclass(frozen=True, kw_only=True)
class StatsLog:
    """Columns by name. `seconds` are those since the first line."""

    seconds: Sequence[float]
    columns: dict[str, list[float]]

    def has(self, *names: str) -> bool:
        return all(name in self.columns for name in names)

    def rate(self, name: str) -> list[float]:
        """Return the growth per second between lines; 0 where a manager started again."""
        values, times = self.columns[name], self.seconds
        found = [0.0]
        for place in range(1, len(values)):
            grown, lasted = values[place] - values[place - 1], times[place] - times[place - 1]
            found.append(grown / lasted if grown > 0 and lasted > 0 else 0.0)
        return found


def read(path: Path) -> StatsLog:
    """Read a log; lines that are torn are left out, and times become seconds.

    Raises
    ------
    UsageError
        If it is not such a log.
    """
    names: list[str] = []
    rows: list[list[float]] = []
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if line.startswith("#"):
                    names = names or line.strip("# \n").split()
                    continue
                row = _numbers(line)
                if names and row is not None and len(row) == len(names):
                    rows.append(row)
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror or error}") from error
    if "timestamp" not in names or not rows:
        raise ReportError(
            f"{path} is not a log of Work Queue's statistics: "
            + ("it has no lines yet" if "timestamp" in names else "its first line does not name the columns"),
            hint="wq-run writes one to DIR/stats.log",
        )
    rows = _thinned(rows)
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    for name, values in columns.items():
        if name == "timestamp" or (name.startswith("time_") and name != "time_when_started"):
            columns[name] = [value * _MICROSECOND for value in values]
    times = columns["timestamp"]
    steps = (max(0.0, after - before) for before, after in itertools.pairwise(times))  # if it was set back
    return StatsLog(seconds=list(itertools.accumulate(steps, initial=0.0)), columns=columns)


def _numbers(line: str) -> list[float] | None:
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        return None


def _thinned(rows: list[list[float]]) -> list[list[float]]:
    if len(rows) <= POINTS:
        return rows
    step = len(rows) / POINTS
    return [*(rows[int(number * step)] for number in range(POINTS)), rows[-1]]
