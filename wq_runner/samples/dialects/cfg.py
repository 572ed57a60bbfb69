"""TopCoffea's ``.cfg``: lines that are prefixes, and lines that are samples files."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from wq_runner.samples import content, direct, paths, references
from wq_runner.samples.reading import FileDialect, Found, Prefixes, Reading

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Item:
    text: str
    where: str


def read(path: Path, prefixes: Prefixes, where: str, reading: Reading) -> list[Found]:  # noqa: ARG001 - a Reader
    """Read a ``.cfg``. The prefix of the ``.cfg`` that names this one does not reach in, nor ours out."""
    current: Prefixes = ()
    found: list[Found] = []
    items = list(_items(path))
    if items and items[0].text.startswith("[") and items[0].text.endswith("]"):
        reading.problem(items[0].where, f"no samples, but settings with sections, as {items[0].text}")
        return []
    for item in items:
        words = item.text.split()
        if (
            len(words) == 1
            and paths.is_url(item.text)
            and content.kind_by_name(content.split_tree(item.text)[0])
        ):
            found += direct.read_url(item.text, item.where, reading)
        elif paths.is_url(words[0]) or _is_directory(item.text, path.parent):
            current = _prefixes(words, item, path.parent, reading)
        else:
            found += _read_file(item, path, current, reading)
    return found


def _is_directory(text: str, folder: Path) -> bool:
    """Whether a line is a prefix that is a directory, of this machine or of those where workers are."""
    first = text.split(maxsplit=1)[0]
    if first[:1] not in {"/", "~"}:
        return first.endswith("/") and any((place / first).is_dir() for place in (folder, Path()))
    if first.endswith("/"):
        return True
    name = Path(os.path.expanduser(text))  # noqa: PTH111 - which raises nothing
    if name.is_dir():
        return True
    # what should be beside other files here is one that is not there
    return not name.suffix and not name.exists() and not name.parent.is_dir()


def _items(path: Path) -> Iterator[_Item]:
    # replace: a comment may hold anything
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        for piece in line.split("#", 1)[0].split(","):
            if piece.strip():
                yield _Item(text=piece.strip(), where=f"{paths.shown(path)}:{number}")


def _prefixes(words: list[str], item: _Item, folder: Path, reading: Reading) -> Prefixes:
    found = []
    for word in words:
        problem = _prefix_problem(word, reading.dialects.described)
        if problem:
            reading.problem(item.where, problem)
            continue
        try:
            found.append(paths.as_prefix(word, folder))
        except ValueError as error:
            reading.problem(item.where, str(error))
            continue
        if not paths.is_url(word):
            _say_directory(word, found[-1], item.where)
    return tuple(found)


def _say_directory(word: str, prefix: str, where: str) -> None:
    here = "" if Path(prefix.removeprefix("file://")).is_dir() else ", which is not on this machine"
    log.warning(
        "%s: %s is a directory%s: it goes before the names of the files that follow", where, word, here
    )


def _prefix_problem(word: str, samples: tuple[str, ...]) -> str | None:
    if not paths.is_url(word) and not word.startswith(("/", "~")) and not word.endswith("/"):
        return f"{word}: not a prefix (scheme://...); a samples file goes on a line of its own"
    if word.lower().endswith(samples):
        if not paths.is_url(word):
            return f"{word}: a samples file goes on a line of its own"
        return f"{word}: a samples file must be local: download it, and name the copy"
    if content.kind_by_name(content.split_tree(word)[0]):
        return f"{word}: a file, not a prefix; it goes on a line of its own"
    return paths.url_problem(word) if paths.is_url(word) else None


def _read_file(item: _Item, cfg: Path, prefixes: Prefixes, reading: Reading) -> list[Found]:
    bare, tree = content.split_tree(item.text)
    if tree:
        return direct.with_tree(_read_file(replace(item, text=bare), cfg, prefixes, reading), tree)
    path = references.locate(item.text, cfg, reading)
    if path is None:
        reading.problem(item.where, paths.no_such_file(item.text, [cfg.parent, Path()]))
        return []
    if path.is_dir():
        prefix = f"file://{path.resolve()}/"
        reading.problem(item.where, f"{item.text}: a directory; as a prefix it is written {prefix}")
        return []
    return reading.read(path, prefixes, item.where)


DIALECT = FileDialect(suffixes=(".cfg",), read=read)
