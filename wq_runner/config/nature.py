"""What an option is, besides its value: decided where it is declared, and asked by whoever needs to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, auto
from pathlib import Path


class Place(Flag):
    """The executors, told apart by where they are: each heeds other options."""

    WORK_QUEUE = auto()
    ITERATIVE = auto()
    FUTURES = auto()
    DASK = auto()
    DASK_SITE = auto()
    DASK_SCHEDULER = auto()
    PARSL = auto()
    PARSL_CONFIG = auto()
    CUSTOM = auto()  # it is given all options, but cannot heed what is our engine's own


WORK_QUEUE, ITERATIVE = Place.WORK_QUEUE, Place.ITERATIVE
ALL = ~Place(0)
OF_MANY = ALL & ~ITERATIVE
SCALED = OF_MANY & ~Place.DASK_SCHEDULER & ~Place.PARSL_CONFIG  # those that start workers
AWAITED = OF_MANY & ~Place.FUTURES  # whose workers come when they come
SIZED = WORK_QUEUE | Place.DASK_SITE | Place.CUSTOM  # whose workers are jobs
WATCHED = Place.FUTURES | Place.DASK | Place.DASK_SITE | Place.PARSL | Place.PARSL_CONFIG
"""Those whose processes are ours to end."""
KEPT_IN_BOUNDS = WORK_QUEUE | WATCHED
HERE_OR_SENT = WORK_QUEUE | ITERATIVE


class Dropped(Flag):
    """The commands that are made of a run's own, and in which an option is left out."""

    ALONE = auto()  # that runs one chunk again, alone, in this process
    REST = auto()  # that runs the rest of the input elsewhere


NEVER, ALONE, REST = Dropped(0), Dropped.ALONE, Dropped.REST
EVERYWHERE = ALONE | REST


PathForm = Callable[[str, Callable[[str], str]], str]
"""Applies a function to that part of a value which names a file, if any does."""


@dataclass(frozen=True, kw_only=True)
class Nature:
    """What is to be decided of each option.

    `result`: another value may be the reason for another result. `session`: another value needs another
    manager, or other workers, where a notebook keeps them. `limits`: some of the input is left out on
    purpose. `jobs`: batch jobs of an export are told it. `drop`: where it is not repeated. `heed`: by
    which executors; others say that it has no effect. `path`: how it names a file that is read, which is
    looked for beside the file of settings that names it; None if it names none.
    """

    result: bool
    session: bool
    limits: bool
    jobs: bool
    drop: Dropped
    heed: Place
    path: PathForm | None


def whole(text: str, at: Callable[[str], str]) -> str:
    """Of ``FILE``."""
    return at(text)


def before_colon(text: str, at: Callable[[str], str]) -> str:
    """Of ``FILE.py:NAME``."""
    name, colon, attribute = text.partition(":")
    return f"{at(name)}{colon}{attribute}"


def no_word(text: str, at: Callable[[str], str]) -> str:
    """Of ``FILE|auto|none``."""
    return text if text in {"auto", "none"} else at(text)


def of_parsl(text: str, at: Callable[[str], str]) -> str:
    """Of ``parsl@FILE.py``; what other executors are at is no file."""
    name, place = text[: len("parsl@")], text[len("parsl@") :]
    return f"{name}{at(place)}" if name in {"parsl@", "parsl/"} and place else text


def of_environment(text: str, at: Callable[[str], str]) -> str:
    """Of a file or a directory of --environment; a word is none, whatever lies there."""
    from wq_runner.environment.choice import Wish

    return text if Wish(environment=text).path is None else at(text)


def beside(directory: Path) -> Callable[[str], str]:
    """Return what makes the name of a file absolute, if there is such a file in `directory`."""

    def at(name: str) -> str:
        there = directory / name
        return str(there) if name and there.exists() else name

    return at
