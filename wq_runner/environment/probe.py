"""Runs in the environment of a worker, by itself, and finds out what a task would find missing.

    python probe.py REQUEST ANSWER

REQUEST is a pickle of the versions of the manager, of modules to import, of pickled objects, of the code that
travels with tasks, and of the directories that only the manager has for sure. Nothing is imported from these:
the finders of their modules are replaced, and where a module came from is looked at in the end. The answer is
JSON: the versions here, what failed first, if anything did, and which files were opened there. Nothing but
the standard library is imported at the top, because what is missing is what we want to know.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import platform
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REMOTE = "wq_runner_remote"
"""What the package `remote` is called beside this file."""
_MANY = 20  # files that were opened elsewhere are named up to here


def main(request_file: str, answer_file: str) -> None:
    with Path(request_file).open("rb") as stream:
        request = pickle.load(stream)
    answer: dict[str, Any] = {"prefix": sys.prefix, "python": sys.version.split()[0]}
    elsewhere = Elsewhere(request.get("originals", ()), request.get("homes", ()))
    try:
        elsewhere.hide()
        answer["versions"] = found = _versions(request["versions"])
        if found == request["versions"]:
            _try(request)
        answer["reached"] = elsewhere.modules()
    except BaseException as error:
        answer["failure"] = _describe(error)
    answer["opened"] = elsewhere.opened[:_MANY]
    Path(answer_file).write_text(json.dumps(answer), encoding="utf-8")


class Elsewhere:
    """Directories of the manager: `originals` of code that travels, and `homes`, whose files are noted too.

    What was unpacked here may lie below one of them, and is not meant.
    """

    def __init__(self, originals: Sequence[str], homes: Sequence[str]) -> None:
        here = [sys.prefix, sys.base_prefix, os.getcwd(), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]  # noqa: PTH109
        self._here = [os.path.realpath(one) for one in here if one]
        self._originals = [os.path.realpath(one) for one in originals]
        self._homes = [*self._originals, *(os.path.realpath(one) for one in homes)]
        self.opened: list[str] = []

    def hide(self) -> None:
        """Let nothing be found in the originals, and note what is opened there."""
        sys.path_hooks.insert(0, self._finder)
        sys.path_importer_cache.clear()
        sys.addaudithook(self._notice)

    def modules(self) -> dict[str, str]:
        """Return the modules that came from the originals all the same, with their files."""
        files = ((name, getattr(module, "__file__", None)) for name, module in tuple(sys.modules.items()))
        return {name: file for name, file in files if isinstance(file, str) and self.has(file)}

    def has(self, path: str, places: Sequence[str] = ()) -> bool:
        real = os.path.realpath(path)
        return _length(real, places or self._originals) > _length(real, self._here)

    def _finder(self, path: str) -> Any:
        if not self.has(path):
            raise ImportError(path)  # the next hook's
        return Nothing

    def _notice(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and len(self.opened) < _MANY:
            path = arguments[0]
            text = os.fsdecode(path) if isinstance(path, (str, bytes)) else ""
            code = text.endswith((".py", ".pyc", ".so"))
            if text.startswith("/") and not code and text not in self.opened and self.has(text, self._homes):
                self.opened.append(text)


class Nothing:
    """A finder that finds nothing."""

    @staticmethod
    def find_spec(*_: object) -> None:
        return None


def _length(path: str, places: Sequence[str]) -> int:
    return max((len(one) for one in places if path == one or path.startswith(f"{one}/")), default=0)


def _versions(wanted: dict[str, str]) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in wanted:
        try:
            found[name] = ".".join(platform.python_version_tuple()[:2]) if name == "python" else version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def _try(request: dict[str, Any]) -> None:
    for module in request["modules"]:
        importlib.import_module(module)
    pinned: Any = importlib.import_module(f"{REMOTE}.pinned")
    code = pinned.Code.unpack(request["code"])
    with pinned.inside(code):
        for module in code.named:
            importlib.import_module(module)
        for blob in request["objects"]:
            import dill

            dill.loads(blob)


def _describe(error: BaseException) -> dict[str, str]:
    found = error
    while found.__cause__ is not None and not isinstance(found, ModuleNotFoundError):
        found = found.__cause__
    return {
        "type": type(found).__name__,
        "message": str(found),
        "module": found.name or "" if isinstance(found, ModuleNotFoundError) else "",
        "traceback": "".join(traceback.format_exception(type(error), error, error.__traceback__)),
    }


if __name__ == "__main__":
    main(*sys.argv[1:3])
