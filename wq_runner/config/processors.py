"""One processor, or several by their names, as a text: ``FILE.py:NAME``, ``ee=FILE.py:EE,mm=FILE.py:MM``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from wq_runner.config.nature import before_colon

_NAMED = re.compile(r"([A-Za-z_]\w*)=(.+)", re.DOTALL)


def parse(text: str) -> dict[str, str]:
    """Return the processors by their names; one that has none has the empty name.

    Raises
    ------
    ValueError
        If a name is there twice, or if one of several has none.
    """
    parts = text.split(",") if _NAMED.match(text) else [text]
    return _unique([_named(part) for part in parts])


def join(texts: Iterable[str]) -> str | None:
    """Return several such texts as one; None if there are none. Of those without names the last counts.

    Raises
    ------
    ValueError
        As for `parse`.
    """
    pairs = [pair for text in texts for pair in parse(text).items()]
    found = _unique(pairs if any(name for name, _ in pairs) else pairs[-1:])
    return ",".join(f"{name}={place}" if name else place for name, place in found.items()) or None


def told(value: Mapping[str, str]) -> list[str]:
    """Return a mapping of names to processors, as a file has it, as texts."""
    return [f"{name}={place}" for name, place in value.items()]


def path(text: str, at: Callable[[str], str]) -> str:
    """Apply a function to the files in such a text: see `nature.Nature.path`."""
    return ",".join(
        f"{name}={before_colon(place, at)}" if name else before_colon(place, at)
        for name, place in parse(text).items()
    )


def _named(text: str) -> tuple[str, str]:
    found = _NAMED.fullmatch(text.strip())
    return (found[1], found[2].strip()) if found else ("", text.strip())


def _unique(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found = dict(pairs)
    if len(pairs) > 1 and "" in found:
        shown = " and ".join(place for name, place in pairs if not name)
        raise ValueError(f"{shown}: several processors need names: -p ee=FILE.py:EE -p mm=FILE.py:MM")
    if len(found) < len(pairs):
        twice = next(name for name, _ in pairs if [one for one, _ in pairs].count(name) > 1)
        raise ValueError(f"two processors are named {twice}")
    return found
