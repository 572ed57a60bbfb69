"""Facts of files that were opened before, kept between runs in one SQLite file."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from wq_runner.model import FileFacts, InputFile
from wq_runner.samples import paths

log = logging.getLogger(__name__)

T = TypeVar("T")

_VERSION = 1
"""Raise when the meaning of a column changes: a cache of another version is emptied."""

_BATCH = 500
"""Names in one query; SQLite takes 999."""

_PATIENCE = 5.0
"""Seconds to wait for another process that writes."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (
    path TEXT NOT NULL, treename TEXT NOT NULL, size INTEGER, mtime_ns INTEGER,
    entries INTEGER NOT NULL, uuid BLOB NOT NULL, clusters TEXT,
    PRIMARY KEY (path, treename)
) WITHOUT ROWID
"""

# clusters that were found once are kept while the file is the same
_PUT = """
INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (path, treename) DO UPDATE SET
    clusters = CASE WHEN excluded.clusters IS NULL AND facts.uuid = excluded.uuid
        AND facts.entries = excluded.entries THEN facts.clusters ELSE excluded.clusters END,
    size = excluded.size, mtime_ns = excluded.mtime_ns, entries = excluded.entries, uuid = excluded.uuid
"""


_Row = tuple[str, str, int | None, int | None, int, bytes, str | None]
"""The columns of the table."""


@dataclass(frozen=True, kw_only=True)
class _State:
    """What tells a local file from an earlier one of the same name; of remote ones it is not known."""

    size: int | None = None
    mtime_ns: int | None = None


class FactsCache:
    """Facts by path and tree: of a local file while its size and time are the same.

    Of a remote file they are kept by its path alone; whoever reads it later sees by its uuid if it
    changed. Nothing raises here: a cache that cannot be used is said once, and is empty.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_path()
        self._warned = False

    def get_many(self, files: Iterable[InputFile]) -> dict[InputFile, FileFacts]:
        """Return the facts of those files that are known; `clusters` are None where never asked for."""
        if not self.path.exists():
            return {}
        wanted = list(files)
        return self._safely(lambda connection: _get(connection, wanted), default={})

    def put_many(self, facts: Mapping[InputFile, FileFacts]) -> None:
        if not facts:
            return
        rows = [_row(file, known) for file, known in facts.items()]
        self._safely(lambda connection: _put(connection, [row for row in rows if row]), default=None)

    def forget(self, paths: Iterable[str]) -> None:
        """Forget the facts of these files, of all their trees."""
        rows = [(path,) for path in paths]
        if rows and self.path.exists():
            self._safely(lambda connection: _forget(connection, rows), default=None)

    def _safely(self, use: Callable[[sqlite3.Connection], T], *, default: T) -> T:
        try:
            try:
                return self._use(use)
            except sqlite3.DatabaseError as error:
                if type(error) is not sqlite3.DatabaseError:
                    raise  # locked, full, not writable: not damaged
                log.warning("%s is damaged (%s): starting a new one", self.path, error)
                self._remove()
                return self._use(use)
        except (sqlite3.Error, OSError, UnicodeError) as error:
            if not self._warned:
                log.warning("known files are not remembered: %s: %s", self.path, error)
                self._warned = True
            return default

    def _use(self, use: Callable[[sqlite3.Connection], T]) -> T:
        # a connection each time: safe in threads, after a fork, and for other processes
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, timeout=_PATIENCE)) as connection, connection:
            _prepare(connection)
            return use(connection)

    def _remove(self) -> None:
        for suffix in ("-journal", "-wal", "-shm", ""):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


def default_path() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("wq-runner") / "facts.sqlite"


def _prepare(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == _VERSION:
        return
    if version:
        connection.execute("DROP TABLE IF EXISTS facts")
    connection.execute(_SCHEMA)
    connection.execute(f"PRAGMA user_version = {_VERSION}")


def _get(connection: sqlite3.Connection, files: Sequence[InputFile]) -> dict[InputFile, FileFacts]:
    wanted: dict[tuple[str, str], list[InputFile]] = {}
    for file in files:
        wanted.setdefault((file.path, file.treename), []).append(file)
    names = iter({path for path, _ in wanted})
    found: dict[InputFile, FileFacts] = {}
    while batch := list(islice(names, _BATCH)):
        for row in _select(connection, batch):
            path, treename, size, mtime_ns, entries, uuid, clusters = row
            same = wanted.get((path, treename))
            if same and _state(path) == _State(size=size, mtime_ns=mtime_ns):
                facts = FileFacts(entries=entries, uuid=uuid, clusters=_clusters(clusters))
                found.update(dict.fromkeys(same, facts))
    return found


def _select(connection: sqlite3.Connection, batch: Sequence[str]) -> Iterator[_Row]:
    marks = ", ".join("?" * len(batch))
    return connection.execute(f"SELECT * FROM facts WHERE path IN ({marks})", batch)


def _put(connection: sqlite3.Connection, rows: Sequence[_Row]) -> None:
    connection.executemany(_PUT, rows)


def _forget(connection: sqlite3.Connection, rows: Sequence[tuple[str]]) -> None:
    connection.executemany("DELETE FROM facts WHERE path = ?", rows)


def _row(file: InputFile, facts: FileFacts) -> _Row | None:
    state = _state(file.path)
    if state is None:
        return None
    clusters = None if facts.clusters is None else json.dumps(facts.clusters)
    return file.path, file.treename, state.size, state.mtime_ns, facts.entries, facts.uuid, clusters


def _clusters(text: str | None) -> tuple[int, ...] | None:
    return None if text is None else tuple(json.loads(text))


def _state(path: str) -> _State | None:
    """Return the state of a file, None if it is local and not there."""
    if paths.is_url(path):
        return _State()
    try:
        stat = os.stat(path)  # noqa: PTH116 - 150,000 times
    except OSError:
        return None
    return _State(size=stat.st_size, mtime_ns=stat.st_mtime_ns)
