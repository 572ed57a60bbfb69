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
    """Return the package at the top that a module is part of, or the module if it is at the top itself."""
    parts = name.split(".")
    package = path.name == "__init__.py"
    depth = len(parts) - (0 if package else 1)
    if depth == 0:
        return Module(target=f"{name}{path.suffix}", source=path.resolve())
    top = path.parents[depth - 1]
    if top.name == parts[0]:
        return Module(target=parts[0], source=top.resolve())
    # a finder of somebody's own has it elsewhere
    place = "/".join(parts)
    return Module(
        target=place if package else f"{place}{path.suffix}",
        source=path.parent.resolve() if package else path.resolve(),
    )
