"""What a command prints, line by line, and how paths and numbers stand in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from wq_runner import system


def line(console: Console, label: str, text: str) -> None:
    """Print one labelled line; nothing in it is taken for markup."""
    console.print(Text(f"{label:<12} {text}"), soft_wrap=True)


def path(place: Path) -> str:
    """Return a path as short as it is clear: relative if it lies below the current directory."""
    return str(place.relative_to(Path.cwd())) if place.is_relative_to(Path.cwd()) else str(place)


def page(
    console: Console, url: str, tunnel: str, label: str = "page", *, secret_in: Path | None = None
) -> None:
    """Print where a page is, and how to see it from another machine.

    An address that is a secret goes to a file of this user's alone, where others may read what is printed.
    """
    if secret_in is not None and _others_may_read(console):
        with system.replacing(secret_in, "w", durable=False, private=True) as stream:
            stream.write(f"{url}\n")
        url = f"its address is in {path(secret_in)}, which only you can read, unlike what is printed"
    line(console, label, url)
    line(console, "", f"from elsewhere: {tunnel}")


def _others_may_read(console: Console) -> bool:
    """Whether what is printed goes to a file that is not this user's alone, as ``> log`` makes one."""
    try:
        mode = os.fstat(console.file.fileno()).st_mode
    except (OSError, ValueError):  # a notebook's
        return False
    return stat.S_ISREG(mode) and bool(mode & 0o044)


def few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
