"""Code that travels inside tasks, as workers cannot import it: its files, for who looks at a failure."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import cloudpickle

_NO_NAME = "<dynamic-code>"
_as_usual = cloudpickle.Pickler.dispatch_table[CodeType]


def name_files() -> None:
    """Let pickled code keep the name of its file, so that tracebacks and debuggers find its lines.

    cloudpickle leaves it out from 3.1.3 on. What coffea pickles is out of our reach, so this is for the whole
    process; done again, it changes nothing.
    """
    cloudpickle.Pickler.dispatch_table[CodeType] = _with_file


def _with_file(code: CodeType) -> tuple[Any, tuple[Any, ...]]:
    make, arguments = _as_usual(code)
    named = (code.co_filename if isinstance(one, str) and one == _NO_NAME else one for one in arguments)
    return make, tuple(named)


def sources() -> dict[str, str]:
    """Return the text of each file or cell of a notebook whose code travels, by its name."""
    modules = (sys.modules.get(name) for name in cloudpickle.list_registry_pickle_by_value())
    files = {getattr(module, "__file__", None) for module in modules}
    found = {name: _text(name) for name in sorted({*filter(None, files), *_of_main()})}
    return {name: text for name, text in found.items() if text}


def _of_main() -> Iterator[str]:
    """Yield the files of what a script, or the cells of a notebook, define."""
    for value in tuple(vars(sys.modules["__main__"]).values()):
        for one in (value, *vars(value).values()) if isinstance(value, type) else (value,):
            if isinstance(one, FunctionType) and one.__module__ == "__main__":
                yield one.__code__.co_filename


def _text(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "".join(linecache.getlines(name))  # where IPython keeps its cells
