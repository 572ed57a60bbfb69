"""Data beside a script that its text names, as ``Path(__file__).parent / f"sf_{year}.json"`` finds them.

What is in a package, or what git sees, goes with the code anyway. Next to a script may lie anything, so only
what its strings may mean is taken.
"""

from __future__ import annotations

import ast
import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path

from wq_runner.environment.trees import is_foreign_directory, is_leftover

_DEEP = 3  # levels of directories below that of the script
_MOST = 5000  # files and directories that are looked at
_LONGEST = 200  # characters of a string that may be the name of a file


def named(script: Path, endings: tuple[str, ...] = ("",)) -> list[Path]:
    """Return the files of any kind but code beside a script, or below, which one of its strings may name.

    Only those with one of the `endings`.
    """
    patterns = {one.lstrip("./") for one in names(script, endings)}
    if not patterns:
        return []
    files = list(_files(script.parent, _DEEP, [_MOST]))
    return [path for path in files if any(fnmatch.fnmatchcase(f"/{path}", f"*/{one}") for one in patterns)]


def names(script: Path, endings: tuple[str, ...] = ("",)) -> set[str]:
    """Return the strings of a script that look like names of files; a star for what is formatted in."""
    try:
        content = script.read_bytes()
        if not any(one.encode() in content for one in endings):
            return set()  # most texts are not even read
        tree = ast.parse(content)
    except (OSError, SyntaxError, ValueError):
        return set()
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    texts = (_text(node) for node in ast.walk(tree) if id(node) not in inside)
    return {text for text in texts if text.endswith(endings) and _may_be_a_name(text)}


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        # of str.format and %, too: whatever stands there, the ends of the name tell
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "*" for part in node.values)
    return ""


def _may_be_a_name(text: str) -> bool:
    ending = text.rpartition(".")[2]
    return "." in text and ending.isalnum() and len(text) <= _LONGEST and "\n" not in text


def _files(directory: Path, depth: int, left: list[int]) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(directory), key=lambda one: one.name)
    except OSError:
        return
    for entry in entries:
        left[0] -= 1
        path = Path(entry.path)
        if left[0] < 0 or entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            if depth and not is_foreign_directory(path) and not (path / "__init__.py").exists():
                yield from _files(path, depth - 1, left)
        elif path.suffix != ".py" and not is_leftover(path) and entry.is_file():
            yield path
