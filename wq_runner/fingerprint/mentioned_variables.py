"""Variables of the environment that code reads in ways that nobody is told of.

Who copies the environment, goes through all of it, or starts programs that have it, may read any variable.
Those that the analysis names in its text count as read then.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from wq_runner.remote.contents import VARIABLE, hash_of
from wq_runner.remote.variables import is_of_system

# what is asked for a single variable is seen when it is
_SINGLE = frozenset({"get", "pop", "setdefault", "update"})
_PROGRAMS = frozenset({"subprocess", "system", "popen", "CDLL", "cdll", "ROOT", "cppyy", "cffi"})
_SIGNS = re.compile(rb"environ|" + b"|".join(one.encode() for one in sorted(_PROGRAMS)))
_INSIDE = re.compile(r"[${]([A-Za-z_]\w*)")
# of the shell, the session and Python itself, of which another value is no other analysis
_OF_SHELL = re.compile(
    r"PATH|.*_PATH|PYTHON.*|LANG|LC_.*|PS\d|EDITOR|PAGER|MAIL|VIRTUAL_ENV.*|CONDA.*|LS_COLORS"
)


def variables(scripts: Iterable[Path], known: Iterable[str]) -> dict[str, str]:
    """Return the hash of each variable that the scripts name, if one of them may read any of them.

    But for those of `known`, which are seen to be read.
    """
    texts = [text for script in scripts if (text := _read(script))]
    if not any(_SIGNS.search(text) and _reads_unseen(_parsed(text)) for text in texts):
        return {}
    there = {name for name in os.environ if not (is_of_system(name) or _OF_SHELL.fullmatch(name))}
    likely = [text for text in texts if any(name.encode() in text for name in there)]
    names = {name for text in likely for name in _named(_parsed(text))} & there
    found = {f"{VARIABLE}{name}" for name in names} - {*known}
    return {f"the {name}, which the code names,": hash_of(name) for name in sorted(found)}


def _read(script: Path) -> bytes:
    try:
        return script.read_bytes()
    except OSError:
        return b""


def _parsed(text: bytes) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module(body=[], type_ignores=[])


def _reads_unseen(tree: ast.Module) -> bool:
    """Whether the environment is used as a whole, or programs or code in C may ask for it."""
    single = set()
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=of) | ast.Compare(comparators=[of]):
                single.add(id(of))
            case ast.Attribute(value=of, attr=name) if name in _SINGLE:
                single.add(id(of))
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name) | ast.alias(name=name):
                if name in _PROGRAMS or (
                    name in ("environ", "environb")
                    and not isinstance(node, ast.alias)
                    and id(node) not in single
                ):
                    return True
            case ast.ImportFrom(module=str(name)) if name in _PROGRAMS:
                return True
    return False


def _named(tree: ast.Module) -> Iterator[str]:
    """Yield the names that stand in texts for themselves, after a dollar, or in braces."""
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documents:
            value = node.value.decode(errors="replace") if isinstance(node.value, bytes) else node.value
            if isinstance(value, str):
                yield value.strip()
                yield from _INSIDE.findall(value)
