"""What was asked for, and what follows from it: how workers get their Python, and why so."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from wq_runner.environment.spec import kind_of
from wq_runner.errors import UsageError, did_you_mean

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".tar.zst", ".tar.bz2", ".tar.xz")
SPECS = (".yml", ".yaml", ".txt", ".lock")


class Mode(str, Enum):
    """How workers get their Python: see docs/environments.md."""

    AUTO = "auto"
    PACKED = "packed"
    SHARED = "shared"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the user asked for.

    `environment` is a mode, a tarball, a file that says what is in it, or the directory of an environment.
    `workers_here` if all workers are started by us on this machine; `analysis` is the directory that the
    processor is imported from, None if it is installed; `imported` are the names and files of the user's
    modules that are imported, wherever they are. `channels` are where conda packages come from,
    `builder` the tool that installs them, `update` to resolve them anew; `max_cache` is in bytes.
    """

    environment: str = "auto"
    workers_here: bool = False
    analysis: Path | None = None
    imported: tuple[tuple[str, Path], ...] = ()
    extra_files: tuple[Path, ...] = ()
    setup_commands: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    builder: str | None = None
    update: bool = False
    max_cache: int | None = None

    @property
    def path(self) -> Path | None:
        """The tarball, file or directory that `environment` names, None if it is a mode."""
        named = self.environment.endswith((*ARCHIVES, *SPECS)) or "/" in self.environment
        return Path(self.environment) if named else None

    @property
    def is_tarball(self) -> bool:
        return self.environment.endswith(ARCHIVES)


def choose(wish: Wish, prefix: Path | None = None) -> tuple[Mode, str]:
    """Return the mode, never auto, and the reason for it; `prefix` is the active environment.

    Raises
    ------
    UsageError
        If there is no such mode or file.
    """
    prefix = prefix or Path(sys.prefix)
    if wish.path is not None:
        if not wish.path.exists():
            raise UsageError(
                f"--environment {wish.path}: no such file", hint=f"looked in {Path.cwd()}", page="environment"
            )
        return Mode.PACKED, "as asked for"
    modes = [mode.value for mode in Mode]
    if wish.environment not in modes:
        raise UsageError(
            f"no environment {wish.environment}.{did_you_mean(wish.environment, modes)}",
            hint=f"known: {', '.join(modes)}, a packed one (*.tar.gz), a list of packages (*.yml)",
            page="environment",
        )
    mode = Mode(wish.environment)
    if mode is not Mode.AUTO:
        return mode, "as asked for"
    if wish.workers_here:
        return Mode.SHARED, "the workers run on this machine"
    if kind_of(prefix) is None:
        return Mode.SHARED, f"{prefix} is no environment that could be packed"
    return Mode.PACKED, "workers may be anywhere"


def analysis_directory(processor: str | None) -> Path | None:
    """Return the directory that a processor, as it is named on the command line, is imported from.

    None if there is no processor, or if it is part of an installed package.
    """
    if processor is None:
        return None
    place = processor.rpartition(":")[0] if ":" in processor else processor
    if place == "__main__":
        return script_directory()
    if place.endswith(".py"):
        return Path(place).resolve().parent
    try:
        spec = importlib.util.find_spec(place.partition(".")[0])
    except (ImportError, ValueError):
        return None
    origin = spec.origin if spec else None
    here = Path.cwd().resolve()
    if origin is None:  # a namespace: a directory without __init__.py
        return here if spec and (here / place.partition(".")[0]).is_dir() else None
    found = Path(origin).resolve()
    if found.is_relative_to(here) and not {"site-packages", "dist-packages"} & set(found.parts):
        return here
    return None


def script_directory() -> Path | None:
    """Return the directory of the script that runs, or the current one of a notebook."""
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    if main is None:
        return Path.cwd()
    found = Path(main).resolve().parent
    # a program that is installed, such as pytest or python -m something
    inside = found.is_relative_to(Path(sys.prefix).resolve()) or found.is_relative_to(sys.base_prefix)
    return None if inside else found
