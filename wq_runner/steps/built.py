"""Importing and building the processor, and what that was made of."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wq_runner import system
from wq_runner.code import own_modules
from wq_runner.code.own_modules import Source
from wq_runner.coffea_adapter.runner import Analysis
from wq_runner.environment.choice import analysis_directory
from wq_runner.fingerprint import (
    identity,
    mentioned_variables,
    model_files,
    own_code,
    packages,
    postprocessing,
)
from wq_runner.fingerprint.identity import Places
from wq_runner.fingerprint.late_reads import LateReads
from wq_runner.remote import contents, reads, several
from wq_runner.remote.contents import CODE, GONE
from wq_runner.steps.prepare import load
from wq_runner.steps.request import Request

Importing = Callable[[str], contextlib.AbstractContextManager[None]]
"""Shows that something is being imported, while it is."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """A processor, and what it is: `values` are names and hashes for a fingerprint.

    Of source files of which several processors see different parts, `whole` has the hashes of all there is.
    """

    analysis: Analysis
    places: Places
    sources: Sequence[Source]
    values: Mapping[str, str]
    whole: Mapping[str, str] = field(default_factory=dict)

    @property
    def edited(self) -> list[Path]:
        """The source files that are not what this process has imported."""
        return sorted(one.path for one in self.sources if one.edited)

    @property
    def files(self) -> list[Path]:
        """The source files."""
        return sorted({one.path for one in self.sources})

    def watched(self, fingerprint: Mapping[str, str], late: Mapping[str, str]) -> LateReads:
        """Return what is known of what tasks will read: what was read here, and by an earlier run."""
        values = {**late, **self.whole, **fingerprint}
        known = {self.places.full(name): value for name, value in values.items()}
        return LateReads(known=known, name_of=self.places.name, recorded=dict(late))

    def again(self, late: Mapping[str, str]) -> dict[str, str]:
        """Return what tasks have read as it is now."""
        return identity.again(late, self.places)

    def varying(self, previous: Mapping[str, str], request: Request) -> Built:
        """Return it with those attributes as before that are others each time it is built, as a time is.

        Only where nothing else differs: they are built twice to know.
        """
        differing = identity.differing(identity.without_end(previous), identity.without_end(self.values))
        names = [name for name in differing if name in self.values]
        if not names or not all(map(identity.is_attribute, names)) or request.analysis is not None:
            return self
        other = _state(load(request).processor, self.places)
        same = {name: previous.get(name, "") for name in names if other.get(name) != self.values[name]}
        return replace(self, values={**self.values, **same})


def imported_name(request: Request) -> str:
    """Return the file or module that brings the processor."""
    found = []
    for name in request.processors.values():
        place = name.rpartition(":")[0] if ":" in name else name
        found.append(Path(place).name if place.endswith(".py") else place)
    return " and ".join(dict.fromkeys(found))


def build(request: Request, importing: Importing = lambda _: contextlib.nullcontext()) -> Built:
    """Import the processor and the schema, and note what that reads; what is imported is told."""
    places = Places.around(analysis_directory(request.settings.environment.processor) or Path.cwd())
    with system.uncollected(for_good=not request.in_python), importing("coffea"):
        import wq_runner.code.processor  # noqa: F401 - coffea: nothing of the user's, but many files
    with reads.recorder.building(), importing(imported_name(request)):
        analysis = load(request)
    modules = own_modules.sources()
    sources = list(modules.values())
    edited = {f"the package file {name}": value for name, value in packages.edited_files().items()}
    read = {**_read(places), **identity.code(sources, places), **edited}
    scripts = {one.path for one in sources}
    for processor in several.each(analysis.processor).values():
        read = model_files.named(scripts, processor, places) | read
    read = mentioned_variables.variables(scripts, read) | read
    values = {**read, **_state(analysis.processor, places)}
    values |= identity.ending(postprocessing.of(analysis.processor, modules), places)
    whole = {}
    for module, hashes in _apart(analysis.processor, modules).items():
        name = places.name(f"{CODE}{modules[module].path}")
        whole[name] = values.pop(name)
        values |= {identity.of_one(one, name): value for one, value in hashes.items()}
    return Built(analysis=analysis, places=places, sources=sources, values=values, whole=whole)


def _state(processor: Any, places: Places) -> dict[str, str]:
    """Return the hash of each attribute of a processor, or of each of several."""
    return {
        identity.of_one(name, entry): value
        for name, one in several.each(processor).items()
        for entry, value in identity.state(one, places).items()
    }


def _apart(processor: Any, modules: Mapping[str, Source]) -> dict[str, dict[str, str]]:
    return own_code.apart(several.each(processor), modules) if several.is_several(processor) else {}


def _read(places: Places) -> dict[str, str]:
    """Return what was read, but for what is gone; of what was written since, both hashes."""
    found = {}
    for name, value in reads.recorder.built.values.items():
        now = value if reads.recorder.is_same(name) else contents.hash_of(name)
        if now != GONE or name.startswith(CODE):
            found[places.name(name)] = value if now == value else f"{value} {now}"
    return found
