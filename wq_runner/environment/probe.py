"""Runs in the environment of a worker, by itself, and finds out what a task would find missing.

    python probe.py REQUEST ANSWER

REQUEST is a pickle of the versions of the manager, of modules to import and of pickled objects. The answer is
JSON: the versions here, and what failed first, if anything did. Nothing but the standard library is imported
at the top, because what is missing is what we want to know.
"""

from __future__ import annotations

import importlib
import json
import pickle
import platform
import sys
import traceback
from pathlib import Path
from typing import Any


def main(request_file: str, answer_file: str) -> None:
    with Path(request_file).open("rb") as stream:
        request = pickle.load(stream)
    answer: dict[str, Any] = {"prefix": sys.prefix, "python": sys.version.split()[0]}
    try:
        answer["versions"] = found = _versions(request["versions"])
        if found == request["versions"]:
            _try(request)
    except BaseException as error:
        answer["failure"] = _describe(error)
    Path(answer_file).write_text(json.dumps(answer), encoding="utf-8")


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
