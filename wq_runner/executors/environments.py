"""From options to what workers get, with what is said while it is built."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from wq_runner.config.settings import EnvironmentSettings
from wq_runner.environment import WorkerEnvironment, shared
from wq_runner.environment.choice import Wish, analysis_directory, choose
from wq_runner.environment.remembered import remembered
from wq_runner.remote import several
from wq_runner.remote.pinned import Code
from wq_runner.system import RunPaths
from wq_runner.terminal import printing

OURS = (
    "wq_runner.samples.anywhere",
    "wq_runner.scheduler.tree_reading",
)  # what tasks of ours need on workers


def _wish(settings: EnvironmentSettings) -> Wish:
    # where it is can change: the import of the processor looks in the current directory, too
    return dataclasses.replace(settings.wish, analysis=analysis_directory(settings.processor))


def planned(settings: EnvironmentSettings) -> WorkerEnvironment:
    """Say what it will be, without building or looking at anything."""
    if not settings.sent:
        found = shared(settings.unsent)
        analysis = analysis_directory(settings.processor)
        return dataclasses.replace(found, paths=(*found.paths, *([str(analysis)] if analysis else [])))
    mode, reason = choose(_wish(settings))
    return WorkerEnvironment(command="", description=mode.value, reason=reason, mode=mode.value)


def fingerprint(wish: Wish, installed: str) -> str:
    """Return what results depend on: the packages here or what is asked for instead, and the extra files."""
    found = hashlib.sha256(installed.encode())
    named = [wish.path] if wish.path else []
    for one in (*named, *wish.extra_files):
        for file in [one] if one.is_file() else sorted(one.rglob("*")):
            if file.is_file():
                inside = one.name if file == one else f"{one.name}/{file.relative_to(one)}"
                found.update(f"{inside}\0{_content(file)}\0".encode(errors="surrogateescape"))
    found.update("\0".join(wish.setup_commands).encode())
    return found.hexdigest()[:16] if named or wish.extra_files or wish.setup_commands else installed


def _content(file: Path) -> str:
    """Return the hash of all that is in a file, which is read again when it may have been written."""

    def compute() -> str:
        found = hashlib.sha256()
        with file.open("rb") as stream:
            while block := stream.read(2**20):
                found.update(block)
        return found.hexdigest()

    return remembered().of_file("content", file, compute)


def prepare(
    settings: EnvironmentSettings,
    processor: Any,
    schema: Any,
    paths: RunPaths,
    console: Console,
    *,
    modules: Sequence[str] = OURS,
    code: Code | None = None,
) -> WorkerEnvironment:
    """Build what workers get, try it out with the processor, and keep what is not committed.

    `modules` are those of ours that it needs there, `code` is that of the analysis, as it travels with tasks.

    Raises
    ------
    WorkerEnvironmentError
        If it cannot be built, or a task would fail there.
    """
    if not settings.sent:
        return planned(settings)
    from wq_runner.code import own_modules
    from wq_runner.environment.preparation import Preparation
    from wq_runner.environment.smoke import NEEDED

    with _progress(console) as bar:

        def tell(text: str) -> None:
            printing.line(console, "environment", text)

        wanted = dataclasses.replace(_wish(settings), imported=own_modules.files())
        with Preparation(wish=wanted, say=tell, progress=bar) as preparation:
            found = preparation.environment()
            preparation.check(
                modules=(*NEEDED, *modules), objects=_pickled(processor, schema), code=code or Code()
            )
            preparation.write_patches(paths.root / "code")
    for note in (*found.notes, *preparation.findings):
        tell(f"warning: {note}")
    return found


def _pickled(processor: Any, schema: Any) -> list[bytes]:
    import cloudpickle
    import dill

    objects = []
    # what cannot be pickled at all is said in better words when the first task is made
    with contextlib.suppress(Exception):
        objects.append(dill.dumps(schema))
        objects += map(cloudpickle.dumps, several.each(processor).values())
    return objects


@contextlib.contextmanager
def _progress(console: Console) -> Iterator[Any]:
    """Show a bar while files are packed, on a terminal."""
    columns = (
        TextColumn("packing     "),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        task = display.add_task("packing", total=None, visible=False)

        def tell(done: int, total: int) -> None:
            display.update(task, completed=done, total=total, visible=done < total)

        yield tell
