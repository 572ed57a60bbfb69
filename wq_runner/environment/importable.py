"""What can be imported from where: importlib is asked, nothing is told from names.

Where it is a directory on the path, its finder says so. Where a finder of a build backend stands between, and
we do not know how it keeps what it knows, the environment's own Python is asked, with the finder in place.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib import machinery
from pathlib import Path

from wq_runner import system
from wq_runner.environment.spec import python_of

# what lies beside the packages of a project whose own directory is on the path, and is large at times
_BESIDE = {
    "test", "tests", "testing", "doc", "docs", "example", "examples", "benchmark", "benchmarks", "build",
    "dist", "node_modules", "notebooks", "scripts", "tools", "venv", "setup.py", "conftest.py", "noxfile.py",
    "tasks.py", "fabfile.py",
}  # fmt: skip
_PROJECT = ("pyproject.toml", "setup.py", "setup.cfg", ".git")
_OTHER_PROJECTS = ("pyproject.toml", "setup.py", "pyvenv.cfg", "conda-meta")
_DEEP = 6  # levels of directories without __init__.py that are searched for modules

_ASK = """\
import json, sys
def find(name):
    place = None
    for part in range(1, name.count(".") + 2):
        spec = None
        for finder in sys.meta_path:
            spec = finder.find_spec(".".join(name.split(".")[:part]), place)
            if spec is not None:
                break
        if spec is None:
            return None
        place = spec.submodule_search_locations
    return [spec.origin if spec.has_location else None, list(place or [])]
found = {}
for name in json.loads(sys.argv[1]):
    try:
        found[name] = find(name)
    except Exception:
        pass
print(json.dumps({name: one for name, one in found.items() if one}))
"""


@dataclass(frozen=True, kw_only=True)
class Module:
    """A module or package directory, and the path that it has below site-packages."""

    target: str
    source: Path


def below(root: Path, declared: Collection[str] = (), *, all_data: bool = False) -> Iterator[Module]:
    """Yield what is importable from a directory that is on the path.

    Of a directory that is a whole project, what usually lies beside a package counts only if `declared`.
    With `all_data`, directories that hold only data count as packages, as they do for importlib.
    """
    project = any((root / name).exists() for name in _PROJECT)
    finder = _finder(root)
    for name in _candidates(root):
        spec = finder.find_spec(name)
        if spec is None:
            continue
        path = _place(spec)
        if project and {path.name, name} & _BESIDE and name not in declared:
            continue
        if spec.loader is None and not (name in declared or _is_namespace(path, all_data and not project)):
            continue
        yield Module(target=path.name, source=path.resolve())


def without_hidden(modules: Sequence[Module], roots: Sequence[Path]) -> Iterator[Module]:
    """Leave out modules that nobody can import, as another one of that name comes before them on the path."""
    finders = [_finder(root) for root in roots]
    winners: dict[str, Path | None] = {}
    for module in modules:
        name = module.target.partition("/")[0].partition(".")[0]
        if name not in winners:
            specs = (finder.find_spec(name) for finder in finders)
            first = next((spec for spec in specs if spec is not None and spec.loader is not None), None)
            winners[name] = _place(first).resolve() if first is not None else None
        winner = winners[name]
        if winner is None or winner == module.source or "/" in module.target:
            yield module


def asked(prefix: Path, names: Collection[str]) -> Iterator[Module]:
    """Yield where the Python of an environment would import these from; nothing if it cannot be asked."""
    python = python_of(prefix)
    if not names or not python.exists():
        return
    with contextlib.suppress(system.CommandError, OSError, ValueError):
        # with site's .pth files, as they install the finders; without what the variables of this shell add
        answer = json.loads(system.run([str(python), "-E", "-c", _ASK, json.dumps(sorted(names))]))
        for name, (origin, places) in answer.items():
            found = [Path(place) for place in places] or [Path(origin)]
            for place in found:
                suffix = "" if places else place.suffix
                if place.exists() and not place.is_relative_to(prefix):
                    yield Module(target=name.replace(".", "/") + suffix, source=place.resolve())


def _finder(root: Path) -> machinery.FileFinder:
    loaders = (
        (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
        (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
    )
    # one of our own: that of the process may remember the directory as it was
    return machinery.FileFinder(str(root), *loaders)


def _candidates(root: Path) -> list[str]:
    names = {name.partition(".")[0] for name in os.listdir(root)}  # noqa: PTH208 - names are enough
    return sorted(name for name in names if name.isidentifier() and not name.startswith("__"))


def _place(spec: machinery.ModuleSpec) -> Path:
    """Return the directory of a package, or the file of a module."""
    return Path(next(iter(spec.submodule_search_locations or ()), spec.origin or ""))


def _is_namespace(directory: Path, data_too: bool) -> bool:
    """Whether a directory without __init__.py is a package, and not another project or just a directory."""
    if any((directory / mark).exists() for mark in _OTHER_PROJECTS):
        return False
    return data_too or _has_python(directory)


def _has_python(directory: Path, depth: int = _DEEP) -> bool:
    """Whether a module can be imported from a directory without __init__.py, or from one below."""
    names = os.listdir(directory)  # noqa: PTH208 - names are enough
    if any(name.endswith(".py") for name in names):
        return True
    inside = [
        directory / name
        for name in names
        if name.isidentifier() and name not in _BESIDE and not name.startswith("__")
    ]
    if depth == 0:
        return False
    return any(
        path.is_dir()
        and not any((path / name).exists() for name in _OTHER_PROJECTS)
        and _has_python(path, depth - 1)
        for path in inside
    )
