"""Facts of files that were opened before, kept between runs in one SQLite file."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from wq_runner import system
from wq_runner.model import FileFacts, InputFile
from wq_runner.samples import paths

log = logging.getLogger(__name__)

T = TypeVar("T")

_VERSION = 2
"""Raise when the meaning of a column changes, or `remote.identity`: a cache of another version is emptied."""

_BATCH = 500
"""Names in one query; SQLite takes 999."""

_PATIENCE = 5.0
"""Seconds to wait for another process that writes."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (
    path TEXT NOT NULL, treename TEXT NOT NULL, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER,
    entries INTEGER NOT NULL, uuid BLOB NOT NULL, identity BLOB NOT NULL, clusters TEXT,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (path, treename)
) WITHOUT ROWID
"""

_PUT = "INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

_Name = tuple[str, str]
"""``(path, treename)``"""

_Row = tuple[str, str, int | None, int | None, int | None, int, bytes, bytes, str | None, int]
"""The columns of the table."""


_State = tuple[int | None, int | None, int | None]
"""Size and times of a local file, by which it is told from an earlier one of its name.

Who sets one of the times back does not set the other. Of remote files nothing is known.
"""

_REMOTE: _State = (None, None, None)

States = Mapping[str, _State]
"""How files were before they were opened, by path."""


class FactsCache:
    """Facts by path and tree: of a local file while its size and times are the same.

    Of a remote file they are kept by its path alone; whoever reads it later sees by its identity if it
    changed. What is damaged is forgotten. Nothing raises here: a cache that cannot be used is said once,
    and is empty.
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

    def put_many(self, facts: Mapping[InputFile, FileFacts], states: States | None = None) -> None:
        """Remember facts. With `states`, only of files that are as they were before they were opened."""
        if not facts:
            return
        rows = [row for file, known in facts.items() if (row := _row(file, known, states))]
        self._safely(lambda connection: _put(connection, rows), default=None)

    def forget(self, paths: Iterable[str]) -> None:
        """Forget the facts of these files, of all their trees."""
        rows = [(path,) for path in paths]
        if rows and self.path.exists():
            self._safely(lambda connection: _forget(connection, rows), default=None)

    def _safely(self, use: Callable[[sqlite3.Connection], T], *, default: T) -> T:
        try:
            try:
                return self._use(use)
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if not _is_damage(error):
                    raise  # locked, full, not writable
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
        system.make_private(self.path.parent)
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


def _is_damage(error: Exception) -> bool:
    # names of tables and columns may be damaged, or texts
    words = ("no such ", "has no column", "values were supplied", "decode to UTF-8")
    plain = type(error) in {sqlite3.DatabaseError, UnicodeDecodeError}
    return plain or any(word in str(error) for word in words)


def _get(connection: sqlite3.Connection, files: Sequence[InputFile]) -> dict[InputFile, FileFacts]:
    wanted: dict[_Name, list[InputFile]] = {}
    for file in files:
        wanted.setdefault((file.path, file.treename), []).append(file)
    names = iter({path for path, _ in wanted})
    found: dict[InputFile, FileFacts] = {}
    damaged = False
    while batch := list(islice(names, _BATCH)):
        for row in _select(connection, batch):
            if row[-1] != _checksum(row[:-1]):
                damaged = True
                continue
            same = wanted.get(row[:2])
            if same and _state(row[0]) == row[2:5]:
                entries, uuid, identity, clusters = row[5:-1]
                facts = FileFacts(entries=entries, uuid=uuid, identity=identity, clusters=_clusters(clusters))
                found.update(dict.fromkeys(same, facts))
    if damaged:
        _mend(connection)
    return found


def _mend(connection: sqlite3.Connection) -> None:
    """Write anew what is whole: a damaged row may not even be found by its name."""
    whole = [row for row in connection.execute("SELECT * FROM facts") if row[-1] == _checksum(row[:-1])]
    connection.execute("DROP TABLE facts")
    connection.execute(_SCHEMA)
    connection.executemany(_PUT, whole)
    _, _, place = connection.execute("PRAGMA database_list").fetchone()
    log.warning("%s is damaged: it forgets the files of damaged lines, which are opened anew", place)


def _checksum(row: tuple[Any, ...]) -> int:
    return zlib.crc32(repr(row).encode())


def _select(connection: sqlite3.Connection, batch: Sequence[str]) -> Iterator[_Row]:
    marks = ", ".join("?" * len(batch))
    return connection.execute(f"SELECT * FROM facts WHERE path IN ({marks})", batch)


def _put(connection: sqlite3.Connection, rows: Sequence[_Row]) -> None:
    """Write rows; clusters that were found once are kept while the file is the same."""
    lacking = {row[:2]: row for row in rows if row[-2] is None}
    paths = iter({path for path, _ in lacking})
    kept: dict[_Name, _Row] = {}
    while batch := list(islice(paths, _BATCH)):
        for old in _select(connection, batch):
            new = lacking.get(old[:2])
            if new and old[-2] is not None and new[5:8] == old[5:8] and old[-1] == _checksum(old[:-1]):
                row = (*new[:-2], old[-2])
                kept[new[:2]] = (*row, _checksum(row))
    connection.executemany(_PUT, [kept.get(row[:2], row) for row in rows])


def _forget(connection: sqlite3.Connection, rows: Sequence[tuple[str]]) -> None:
    connection.executemany("DELETE FROM facts WHERE path = ?", rows)


def _row(file: InputFile, facts: FileFacts, states: States | None) -> _Row | None:
    state = _state(file.path)
    if state is None or (states is not None and states.get(file.path) != state):
        return None
    row = (
        *(file.path, file.treename),
        *state,
        *(facts.entries, facts.uuid, facts.identity),
        None if facts.clusters is None else json.dumps(facts.clusters),
    )
    return (*row, _checksum(row))


def states_of(files: Iterable[InputFile]) -> States:
    """Return how files are now, to be compared when they have been opened: one may be written meanwhile."""
    return {file.path: state for file in files if (state := _state(file.path)) is not None}


def _clusters(text: str | None) -> tuple[int, ...] | None:
    return None if text is None else tuple(json.loads(text))


def _state(path: str) -> _State | None:
    """Return the state of a file, None if it is local and not there."""
    if paths.is_url(path):
        return _REMOTE
    try:
        stat = os.stat(path)  # noqa: PTH116 - 150,000 times
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
