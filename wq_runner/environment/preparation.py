"""Preparing what workers get: look, build what is missing, try it out, say what it is."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wq_runner import system
from wq_runner.environment import base as bases
from wq_runner.environment import overlay as overlays
from wq_runner.environment import seals, smoke
from wq_runner.environment.choice import Mode, Wish, choose
from wq_runner.environment.editables import Editable, find_editables
from wq_runner.environment.launch import OVERLAY, SCRIPT, Launch, script
from wq_runner.environment.packing import Progress, quiet
from wq_runner.environment.store import Store, Stored
from wq_runner.environment.worker import WorkerEnvironment, shared
from wq_runner.errors import WorkerEnvironmentError
from wq_runner.remote import leftovers
from wq_runner.remote.pinned import Code
from wq_runner.units import format_seconds, format_size

_COMMAND = f"/bin/sh {SCRIPT}"
_CHECK = 2  # raised when what was tried before has to be tried again
_MANY = 10  # files that are not shipped are named up to here


@dataclass
class Preparation:
    """Prepares one environment. A context: what was only needed for that is deleted at its end.

    `say` is told of what takes long, `progress` of how many files of how many were packed.
    """

    wish: Wish
    store: Store = field(default_factory=Store.default)
    say: Callable[[str], None] = quiet
    progress: Progress = quiet
    findings: list[str] = field(default_factory=list, init=False)
    """What `check` found that people should know, as a warning that it deserves."""
    _scratch: tempfile.TemporaryDirectory[str] = field(init=False, repr=False)
    _draft: overlays.Draft | None = field(default=None, init=False, repr=False)
    _found: bases.Base | None = field(default=None, init=False, repr=False)
    _subject: smoke.Subject | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.store = dataclasses.replace(self.store, on_wait=self.say)
        self._scratch = tempfile.TemporaryDirectory(prefix=leftovers.prefix(), ignore_cleanup_errors=True)

    def __enter__(self) -> Preparation:
        return self

    def __exit__(self, *_: object) -> None:
        self._scratch.cleanup()

    def environment(self) -> WorkerEnvironment:
        """Return what workers get; built, if it has to be.

        Raises
        ------
        WorkerEnvironmentError
            If it cannot be built, or does not work.
        UsageError
            If what was asked for does not exist.
        """
        mode, reason = choose(self.wish)
        match mode:
            case Mode.SHARED:
                return self._shared(reason)
            case Mode.NONE:
                return self._none(reason)
            case Mode.AUTO | Mode.PACKED:
                return self._packed(reason)

    def base(self) -> bases.Base:
        """Return the base layer; packed, if it has to be."""
        if self._found is None:
            self._found = self._base()
        return self._found

    def check(
        self, *, modules: Sequence[str] = (), objects: Sequence[bytes] = (), code: Code | None = None
    ) -> bool:
        """Import modules and unpickle objects (of dill) where a task will; False if that was done before.

        `code` is what travels with the tasks.

        Raises
        ------
        WorkerEnvironmentError
            If it would fail on a worker.
        """
        if self._subject is None:
            return False
        tested = self.store.root / "tested"
        code = code or Code()
        about = f"{_CHECK} {self._subject.launch} {self._subject.originals} {modules}\n"
        told = [about.encode(errors="surrogateescape"), *objects, code.pack()]
        found = hashlib.sha256(b"\0".join(told))
        mark = tested / found.hexdigest()[:24]
        known = seals.read(mark)
        if known is not None:
            self.findings += known["findings"]
            return False
        try:
            answer = smoke.check(self._subject, modules=modules, objects=objects, code=code)
        except WorkerEnvironmentError as error:
            if not self.wish.setup_commands:
                raise
            # a setup command may bring what is missing, and it is for workers, not for this machine
            self.say(f"warning: without the setup commands, which were not tried here: {error.message}")
            return True
        self.findings += [_not_shipped(path) for path in answer.get("opened", ())]
        tested.mkdir(exist_ok=True)
        system.write_json(mark, seals.sealed({"findings": self.findings}))
        return True

    def write_patches(self, directory: Path) -> list[Path]:
        """Keep what is changed on top of the commits, as files that `git apply` takes."""
        return self._draft.write_patches(directory) if self._draft else []

    def _shared(self, reason: str) -> WorkerEnvironment:
        # nothing travels, but what is run is on record
        sources = tuple(source.as_json() for source in self._look("", travels=False).sources)
        found = dataclasses.replace(shared(reason), sources=sources)
        links = overlays.extra_files(self.wish.extra_files)
        if not links and not self.wish.setup_commands:
            return found
        launch = Launch(
            kind="shared", python=sys.executable, links=links, setup_commands=self.wish.setup_commands
        )
        return dataclasses.replace(found, command=_COMMAND, inputs=((self._write_script(launch), SCRIPT),))

    def _none(self, reason: str) -> WorkerEnvironment:
        stored, said = self._overlay("")
        launch = Launch(
            kind="none",
            overlay=stored.key,
            overlay_sum=stored.manifest["cksum"],
            setup_commands=self.wish.setup_commands,
        )
        return WorkerEnvironment(
            command=_COMMAND,
            inputs=((self._write_script(launch), SCRIPT), (stored.path / OVERLAY, OVERLAY)),
            description=f"the python3 of each worker + {said}",
            reason=reason,
            mode=Mode.NONE.value,
            overlay=stored.key,
            sources=tuple(stored.manifest["sources"]),
            shipped=self._shipped(),
            lease=self.store.lease(stored),
        )

    def _packed(self, reason: str) -> WorkerEnvironment:
        began = time.monotonic()
        base = self.base()
        built = f"packed in {format_seconds(time.monotonic() - began)}" if base.built else "cached"
        stored, said = self._overlay(base.key)
        launch = Launch(
            kind="packed",
            base=base.key,
            base_archive=f"base{base.suffix}",
            base_sum=base.stored.manifest["cksum"],
            overlay=stored.key,
            overlay_sum=stored.manifest["cksum"],
            hint=f" ({base.hint})" if base.hint else "",
            # workers of our own find what was unpacked to test it
            cache=str(self.store.unpacked) if self.wish.workers_here else "",
            setup_commands=self.wish.setup_commands,
        )
        lease = self.store.lease(base.stored, stored)
        archives = ((base.archive, launch.base_archive), (stored.path / OVERLAY, OVERLAY))
        self._subject = smoke.Subject(
            launch=dataclasses.replace(launch, cache=str(self.store.unpacked), setup_commands=()),
            files={name: path for path, name in archives},
            name=f"the environment {base.key}",
            originals=self._originals(),
        )
        if self.wish.max_cache is not None:
            self.store.shrink(self.wish.max_cache)
        return WorkerEnvironment(
            command=_COMMAND,
            inputs=((self._write_script(launch), SCRIPT), *archives),
            description=f"base {base.key} ({built}, {format_size(base.size)}) + {said}",
            reason=reason,
            mode=Mode.PACKED.value,
            base=base.key,
            overlay=stored.key,
            sources=tuple(stored.manifest["sources"]),
            shipped=self._shipped(),
            notes=self._notes(base),
            lease=lease,
        )

    def _base(self) -> bases.Base:
        path = self.wish.path
        if path is None or path.is_dir():
            prefix = bases.active_prefix() if path is None else path.resolve()
            installed = bases.look(prefix, self.store)
            return bases.pack(installed, self.store, progress=self.progress, on_build=self.say)
        if self.wish.is_tarball:
            return bases.from_tarball(path, self.store, on_build=self.say)
        from wq_runner.environment.builders import base_of_spec

        return base_of_spec(
            path,
            self.store,
            channels=self.wish.channels,
            builder=self.wish.builder,
            update=self.wish.update,
            progress=self.progress,
            say=self.say,
        )

    def _overlay(self, base: str) -> tuple[Stored, str]:
        """Return the overlay, and what to say of it."""
        began = time.monotonic()
        found = self._look(base)
        stored, built = overlays.build(found, self.store)
        how = f"built in {format_seconds(time.monotonic() - began)}" if built else "cached"
        return stored, f"overlay {found.label or stored.key} ({how})"

    def _look(self, base: str, *, travels: bool = True) -> overlays.Draft:
        """Look at the code as it is now."""
        ingredients = overlays.Ingredients(
            editables=self._editables(),
            analysis=self.wish.analysis,
            extra_files=overlays.extra_files(self.wish.extra_files),
            imported=self.wish.imported if travels else (),
        )
        self._draft = overlays.draft(ingredients, Path(self._scratch.name), base=base)
        return self._draft

    def _editables(self) -> tuple[Editable, ...]:
        """Return those of the active environment, and of the one that is shipped if that is another."""
        found = {one.name: one for one in find_editables(bases.active_prefix())}
        if self.wish.path is not None and self.wish.path.is_dir():
            found |= {one.name: one for one in find_editables(self.wish.path.resolve())}
        return tuple(found.values())

    def _shipped(self) -> dict[str, str]:
        pieces = self._draft.pieces if self._draft else ()
        return {piece.target: str(piece.content.path) for piece in pieces}

    def _notes(self, base: bases.Base) -> tuple[str, ...]:
        notes = [f"{base.hint}; --environment SPEC.yml makes one that has it"] if base.hint else []
        skipped = self._draft.skipped if self._draft else {}
        found = {path: why for path, why in skipped.items() if not why.endswith("data")}
        notes += [f"not shipped: {path} ({why})" for path, why in [*found.items()][:_MANY]]
        if len(found) > _MANY:
            notes.append(f"not shipped: {len(found) - _MANY} more files")
        return tuple(notes)

    def _originals(self) -> tuple[Path, ...]:
        """Return the directories whose code travels: nothing may work only because they are here."""
        editables = self._draft.ingredients.editables if self._draft else ()
        found = {one.project for one in editables}
        found |= {module.source for one in editables for module in one.modules}
        found |= {path.parent for _, path in self.wish.imported}
        found |= {self.wish.analysis} if self.wish.analysis else set()
        found.add(overlays.own_package())
        return tuple(sorted(one.resolve() for one in found))

    def _write_script(self, launch: Launch) -> Path:
        """Write the script under a name that is its content: workers cache files by their names."""
        text = script(launch)
        directory = self.store.root / "scripts"
        try:
            self.store.prepare()
            directory.mkdir(exist_ok=True)
            path = directory / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.sh"
            if not path.exists() or path.read_bytes() != os.fsencode(text):
                with system.replacing(path, "w") as stream:
                    stream.write(text)
        except OSError as error:
            raise WorkerEnvironmentError(f"{directory}: {error.strerror or error}") from error
        return path


def _not_shipped(path: str) -> str:
    return (
        f"the processor opens {path} when it is imported, which is not shipped: only a worker that sees this "
        f"path has it. --extra-file {path} brings it, under the name {Path(path).name}"
    )
