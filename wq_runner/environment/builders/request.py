"""What an environment is to be made of: read from conda's environment.yml, locks, requirements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from wq_runner.environment.builders import lock
from wq_runner.errors import PackageListError, WqRunnerError

DEFAULT_CHANNELS = ("conda-forge",)
_NO_DEFAULTS = "nodefaults"


@dataclass(frozen=True, kw_only=True)
class Request:
    """`specs` are conda's (``python >=3.10``), `pip` are pip's; `urls` is a lock: packages one by one."""

    file: Path
    channels: tuple[str, ...]
    specs: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()


class BuildError(WqRunnerError):
    """A tool failed: `what` in a few words, and all that it printed."""

    page = "lists-of-packages"

    def __init__(self, what: str, output: str) -> None:
        super().__init__(what)
        self.what = what
        self.output = output


class Builder(Protocol):
    """A tool that makes an environment."""

    name: str

    def available(self) -> bool:
        """Whether it is installed."""
        ...

    def understands(self, request: Request) -> bool:
        """Whether it can make what is asked for."""
        ...

    def build(self, request: Request, prefix: Path) -> str:
        """Make the environment at `prefix`, which does not exist, and return what was printed.

        Raises
        ------
        BuildError
            If it fails; `prefix` may be left half-made.
        """
        ...


def read_request(path: Path, channels: Sequence[str] = ()) -> Request:
    """Read a file; `channels` come before those that it names.

    Raises
    ------
    UsageError
        If it is not understood.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PackageListError(f"{path} cannot be read: {error}") from error
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if lock.EXPLICIT in lines:
        return Request(file=path, channels=(), urls=lock.read_explicit(path, lines))
    if path.suffix == ".txt":
        return Request(file=path, channels=(), pip=tuple(lines))
    return _of_yaml(path, text, channels)


def _of_yaml(path: Path, text: str, channels: Sequence[str]) -> Request:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PackageListError(f"{path} is not YAML: {error}") from error
    if lock.is_conda_lock(content):
        urls, wheels = lock.read_conda_lock(path, content)
        return Request(file=path, channels=(), urls=urls, pip=wheels)
    dependencies = content.get("dependencies") if isinstance(content, dict) else None
    if not isinstance(dependencies, list):
        raise PackageListError(
            f"{path} has no list of dependencies",
            hint="it has to look like environments/worker.yml, or be a lock of conda-lock",
        )
    specs = tuple(one for one in dependencies if isinstance(one, str))
    pip = tuple(line for one in dependencies if isinstance(one, dict) for line in _pip_of(path, one))
    named = tuple(one for one in content.get("channels") or () if one != _NO_DEFAULTS)
    chosen = tuple(dict.fromkeys((*channels, *named))) or DEFAULT_CHANNELS
    return Request(file=path, channels=chosen, specs=specs, pip=pip)


def _pip_of(path: Path, entry: dict[str, Any]) -> list[str]:
    unknown = set(entry) - {"pip"}
    if unknown or not isinstance(entry.get("pip"), list):
        raise PackageListError(
            f"{path}: {entry} is not understood", hint="besides names, only a list of pip is"
        )
    return [str(line) for line in entry["pip"]]
