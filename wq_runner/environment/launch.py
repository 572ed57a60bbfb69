"""The script that stands for `python` on a worker: its head is ours, its body is `launch.sh`."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BROKEN = 97
"""Exit code with which the script says that the worker, not the task, is at fault."""

SCRIPT = "environment.sh"
OVERLAY = "overlay.tar.gz"


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What the script has to know. `kind` is packed, shared or none: see `Mode`.

    `base` and `overlay` are keys, `base_archive` the name of the base's archive in the task's directory,
    `base_sum` and `overlay_sum` what cksum(1) says of the archives, empty where nobody asked it;
    `python` is what to run where no base is packed, `hint` what to add if it does not start; `cache`
    is where to unpack, empty where only the worker knows; `links` are pairs of a name in the task's
    directory and a path on the same file system.
    """

    kind: str
    base: str = ""
    base_archive: str = ""
    base_sum: str = ""
    overlay: str = ""
    overlay_sum: str = ""
    python: str = "python3"
    hint: str = ""
    cache: str = ""
    setup_commands: Sequence[str] = ()
    links: Sequence[tuple[str, Path]] = ()


def script(launch: Launch) -> str:
    """Return the text of the script."""
    names = (
        "kind", "base", "base_archive", "base_sum", "overlay", "overlay_sum", "python", "hint", "cache"
    )  # fmt: skip
    head = [f"{name}={shlex.quote(getattr(launch, name))}" for name in names]
    head.append(f"setup_key={_key(launch.setup_commands)}")
    head.append(
        _function("setup_commands", [f"{{ {command}\n}} || return" for command in launch.setup_commands])
    )
    links = [f"link {shlex.quote(name)} {shlex.quote(str(path))}" for name, path in launch.links]
    head.append(_function("link_shared", links))
    body = Path(__file__).with_name("launch.sh").read_text(encoding="utf-8")
    return "\n".join(["#!/bin/sh", *head, "", body])


def _function(name: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{name}() {{", *(f"    {line}" for line in lines or [":"]), "}"])


def _key(commands: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(commands).encode()).hexdigest()[:12] if commands else "''"
