"""Compiled packages: built through their build backend from what git sees, and kept by that content."""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wq_runner import system
from wq_runner.environment.editables import Editable
from wq_runner.environment.gitstate import open_git
from wq_runner.environment.store import Layer, Store, Stored
from wq_runner.environment.trees import Content, PlainTree
from wq_runner.errors import WorkerEnvironmentError

VERSION = 1  # raised when the same sources are built in another way


def key(contents: Sequence[Content], editable: Editable, base: str) -> str:
    """Name a wheel by its sources and by the environment it is built for."""
    found = hashlib.sha256(f"{VERSION} {editable.name} {editable.version} {base}\n".encode())
    for content in sorted(contents, key=lambda one: one.path):
        found.update(f"{content.path.relative_to(editable.project.resolve())} {content.digest}\n".encode())
    return f"{editable.name}-{found.hexdigest()[:12]}"


def build(editable: Editable, wheel_key: str, store: Store) -> Stored:
    """Return the wheel of a package, built if its sources changed.

    Raises
    ------
    WorkerEnvironmentError
        If its build backend fails; the output is kept in a file.
    """

    def make(place: Path) -> Mapping[str, Any]:
        scratch = place / "scratch"
        scratch.mkdir()
        tree = open_git(editable.project, scratch) or PlainTree(editable.project)
        exported = scratch / "source"
        tree.export(tree.contents([editable.project]), exported)
        source = exported / editable.project.resolve().relative_to(tree.root)
        _run_pip(editable, source, place, store)
        system.run(["rm", "-rf", str(scratch)])
        return {"package": editable.name, "version": editable.version}

    return store.build(Layer.WHEEL, wheel_key, make)[0]


def contents(wheel: Stored) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a wheel, by their places in an overlay."""
    (path,) = wheel.path.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            head, _, rest = name.partition("/")
            if name.endswith("/"):
                continue
            if head.endswith(".data"):
                # what pip puts elsewhere; modules and programs matter to a task
                scheme, _, rest = rest.partition("/")
                place = {"purelib": "site", "platlib": "site", "scripts": "bin"}.get(scheme)
                if place is not None:
                    yield f"{place}/{rest}", archive.read(name)
            else:
                yield f"site/{name}", archive.read(name)


def _run_pip(editable: Editable, source: Path, place: Path, store: Store) -> None:
    version = editable.version
    env = {
        **os.environ,
        # what we build is a copy without git: the version that is installed is the right one
        "SETUPTOOLS_SCM_PRETEND_VERSION": version,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(place)]
    errors = []
    # what it was installed with is often here; if not, pip fetches it
    for isolation in (["--no-build-isolation"], []):
        try:
            system.run([*command, *isolation, str(source)], env=env)
        except system.CommandError as error:
            errors.append(error.output)
        else:
            return
    log = store.logs / f"{editable.name}-build.log"
    system.make_private(log.parent)
    log.write_text("\n".join(errors), encoding="utf-8", errors="replace")
    raise WorkerEnvironmentError(
        f"{editable.name} ({editable.project}) could not be built, and it is editable and compiled\n"
        f"{errors[0].strip()[-1500:]}",
        hint=f"all output is in {log}; again: {command[0]} -m pip wheel --no-deps {editable.project}\n"
        f"or install it as it is, without -e: {command[0]} -m pip install {editable.project}",
    )
