"""Modules that the processor imports from anywhere: PYTHONPATH, a path that it adds, beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from wq_runner.environment.importable import Module

_MAIN = ("__main__", "__mp_main__")


def missing(
    imported: Iterable[tuple[str, Path]], shipped: Collection[Path], built: Iterable[Path]
) -> Iterator[Module]:
    """Yield the modules and whole packages of which a file is imported and not shipped.

    `built` are projects whose packages are compiled, and so shipped as something else than their sources.
    """
    built = tuple(one.resolve() for one in built)
    found: dict[str, Module] = {}
    for name, path in imported:
        if name.partition(".")[0] in _MAIN or path in shipped or (real := path.resolve()) in shipped:
            continue
        if path.is_file() and not any(real.is_relative_to(one) for one in built):
            module = _whole(name, path)
            found.setdefault(module.target, module)
    yield from found.values()


def _whole(name: str, path: Path) -> Module:
    """Return the package that a module is part of, its directory in a namespace, or the module alone."""
    parts = name.split(".")
    package = path.name == "__init__.py"
    places = [path.parent, *path.parent.parents][: len(parts) - (0 if package else 1)]
    place = "/".join(parts)
    if not places or [one.name for one in reversed(places)] != parts[: len(places)]:
        # at the top, or a finder of somebody's own has it elsewhere
        if package:
            return Module(target=place, source=path.parent.resolve())
        return Module(target=f"{place}{path.suffix}", source=path.resolve())
    regular = [one for one in places if (one / "__init__.py").exists()]
    source = regular[-1] if regular else places[0]  # of a namespace, only what is beside the module
    return Module(target="/".join(parts[: len(places) - places.index(source)]), source=source.resolve())
