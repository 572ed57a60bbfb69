"""TopCoffea's ``.cfg``: lines that are prefixes, and lines that are samples files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wq_runner.samples import content, direct, paths
from wq_runner.samples.reading import Found, Prefixes, Reading


@dataclass(frozen=True, kw_only=True)
class _Item:
    text: str
    where: str


def read(path: Path, prefixes: Prefixes, where: str, reading: Reading) -> list[Found]:  # noqa: ARG001 - a Reader
    """Read a ``.cfg``. The prefix of the ``.cfg`` that names this one does not reach in, nor ours out."""
    current: Prefixes = ()
    found: list[Found] = []
    for item in _items(path):
        words = item.text.split()
        if not paths.is_url(words[0]):
            found += _read_file(item, path.parent, current, reading)
        elif len(words) == 1 and content.kind_by_name(item.text):
            found += direct.read_url(item.text, item.where, reading)
        else:
            current = _prefixes(words, item, reading)
    return found


def _items(path: Path) -> Iterator[_Item]:
    # replace: a comment may hold anything
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        for piece in line.split("#", 1)[0].split(","):
            if piece.strip():
                yield _Item(text=piece.strip(), where=f"{paths.shown(path)}:{number}")


def _prefixes(words: list[str], item: _Item, reading: Reading) -> Prefixes:
    for word in words:
        problem = _prefix_problem(word)
        if problem:
            reading.problem(item.where, problem)
    return tuple(word for word in words if _prefix_problem(word) is None)


def _prefix_problem(word: str) -> str | None:
    if not paths.is_url(word):
        return f"{word}: not a prefix (scheme://...); a samples file goes on a line of its own"
    if word.lower().endswith((".cfg", ".json", ".json.gz", ".yaml", ".yml")):
        return f"{word}: a samples file must be local: download it, and name the copy"
    if content.kind_by_name(word):
        return f"{word}: a file, not a prefix; it goes on a line of its own"
    return paths.url_problem(word)


def _read_file(item: _Item, folder: Path, prefixes: Prefixes, reading: Reading) -> list[Found]:
    name = Path(os.path.expanduser(item.text))  # noqa: PTH111 - which raises nothing
    path = next((path for path in (folder / name, name) if path.exists()), None)
    if path is None:
        reading.problem(item.where, paths.no_such_file(item.text, [folder, Path()]))
        return []
    if path.is_dir():
        prefix = f"file://{path.resolve()}/"
        reading.problem(item.where, f"{item.text}: a directory; as a prefix it is written {prefix}")
        return []
    return reading.read(path, prefixes, item.where)
