"""Making an environment of a list of packages, with whichever tool there is.

A new tool is one sibling file and one line here.
"""

from __future__ import annotations

import hashlib
import platform
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from wq_runner import system
from wq_runner.environment import base as bases
from wq_runner.environment import seals
from wq_runner.environment.builders import conda, pip, rattler
from wq_runner.environment.builders.request import Builder, BuildError, Request, read_request
from wq_runner.environment.packing import Progress, quiet
from wq_runner.environment.store import Layer, Store
from wq_runner.errors import PackageListError, WorkerEnvironmentError, did_you_mean

# in the order in which they are looked for: the fastest first
BUILDERS: dict[str, Builder] = {
    "micromamba": conda.Conda("micromamba"),
    "mamba": conda.Conda("mamba"),
    "conda": conda.Conda("conda"),
    "rattler": rattler.Rattler(),
    "venv": pip.Venv(),
}

VERSION = 1  # raised when the same request makes another environment


def base_of_spec(
    path: Path,
    store: Store,
    *,
    channels: Sequence[str] = (),
    builder: str | None = None,
    progress: Progress = quiet,
    say: Callable[[str], None] = quiet,
    update: bool = False,
) -> bases.Base:
    """Return the base layer that a file asks for.

    What it was resolved to is remembered, so the same file is the same environment, and nothing is asked
    of any channel, until `update`.

    Raises
    ------
    UsageError
        If the file is not understood, or no tool for it is installed.
    WorkerEnvironmentError
        If the environment cannot be made; its output is in a file that is named.
    """
    request = read_request(path, channels)
    tool = choose(builder, request)
    name = hashlib.sha256(f"{VERSION} {tool.name} {platform.machine()} {request}".encode()).hexdigest()[:16]
    resolved = store.root / "requests" / f"{name}.json"
    known = None if update else _resolved(resolved, store, say)
    if known is not None:
        return known
    # not below a name of the user's choice: some packages have only so much space for their prefix
    store.prepare()
    scratch = store.root / "building"
    scratch.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="env-", dir=scratch, ignore_cleanup_errors=True) as directory:
        prefix = Path(directory) / "env"
        say(f"{tool.name} makes an environment of {path}")
        _make(tool, request, prefix, store)
        installed = bases.look(prefix, store, ())
        found = bases.pack(
            installed, store, editables=(), progress=progress, origin=f"{path} with {tool.name}", on_build=say
        )
    resolved.parent.mkdir(exist_ok=True)
    record = {"key": found.key, "file": str(path), "builder": tool.name}
    system.write_json(resolved, seals.sealed(record))
    return found


def choose(name: str | None, request: Request) -> Builder:
    """Return the tool of this name, or the first one that is installed and understands the request.

    Raises
    ------
    UsageError
        If there is none.
    """
    if name is not None and name not in BUILDERS:
        raise PackageListError(
            f"no builder {name}.{did_you_mean(name, BUILDERS)}", hint=f"known: {', '.join(BUILDERS)}"
        )
    for candidate in [BUILDERS[name]] if name else BUILDERS.values():
        if candidate.understands(request) and candidate.available():
            return candidate
    tried = name or ", ".join(key for key, one in BUILDERS.items() if one.understands(request))
    raise PackageListError(
        f"nothing is here that makes an environment of {request.file}: looked for {tried}",
        hint="pip install py-rattler, or install micromamba",
    )


def _make(tool: Builder, request: Request, prefix: Path, store: Store) -> None:
    try:
        output = tool.build(request, prefix)
    except BuildError as error:
        log = _keep(tool.name, error.output, store)
        last = "\n".join(f"  {line}" for line in error.output.strip().splitlines()[-8:])
        raise WorkerEnvironmentError(
            f"{tool.name} could not make an environment of {request.file}: {error.what}\n{last}",
            hint=f"all output is in {log}",
            page="lists-of-packages",
        ) from error
    _keep(tool.name, output, store)
    if not (prefix / "bin" / "python").exists():
        raise WorkerEnvironmentError(
            f"the environment of {request.file} has no python",
            hint="add python to its dependencies",
            page="lists-of-packages",
        )


def _keep(name: str, output: str, store: Store) -> Path:
    """Write what a tool printed, and return where; several runs at once do not mix theirs."""
    system.make_private(store.logs)
    for old in sorted(store.logs.glob("*.log"), key=lambda path: path.stat().st_mtime)[:-20]:
        old.unlink(missing_ok=True)
    with tempfile.NamedTemporaryFile(
        "w",
        prefix=f"{name}-",
        suffix=".log",
        dir=store.logs,
        delete=False,
        errors="replace",
        encoding="utf-8",
    ) as stream:
        stream.write(output)
    return Path(stream.name)


def _resolved(resolved: Path, store: Store, say: Callable[[str], None]) -> bases.Base | None:
    known = seals.read(resolved)
    stored = store.find(Layer.BASE, known["key"]) if known else None
    if stored is None:
        return None
    damage = stored.damage()
    if damage:  # what it was packed from is not here any more
        say(f"{stored.key}: {damage}, so it is made again")
        return None
    return bases.Base(key=stored.key, archive=stored.path / bases.ARCHIVE, stored=stored)
