"""Files that a build backend writes among the sources: ignored by git, and needed to import the package."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# where the tools that derive a version from git are told where to write it
_VERSION_FILES = (
    ("tool", "setuptools_scm", "version_file"),
    ("tool", "setuptools_scm", "write_to"),
    ("tool", "hatch", "build", "hooks", "vcs", "version-file"),
    ("tool", "pdm", "version", "write_to"),
    ("tool", "versioningit", "write", "file"),
    ("tool", "flit_scm", "write_to"),
)
# and where they write it if setup.py said so
_USUAL_NAMES = ("_version.py", "version.py", "_version_info.py")


def generated_files(project: Path) -> list[Path]:
    """Return the generated files of a project that exist."""
    try:
        config = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        config = {}
    named = [_lookup(config, keys) for keys in _VERSION_FILES]
    found = {project / name for name in named if name}
    found |= {path for name in _USUAL_NAMES for path in project.glob(f"*/{name}")}
    found |= {path for name in _USUAL_NAMES for path in project.glob(f"src/*/{name}")}
    return sorted(path.resolve() for path in found if path.is_file())


def _lookup(config: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    found: Any = config
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else None
