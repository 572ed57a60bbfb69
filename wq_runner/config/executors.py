"""What ``--executor`` says, and what each executor is: what it needs, and what it does not give."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass

from wq_runner.errors import UsageError, did_you_mean

LIMITS = "limits of memory and stalls"
LEARNED = "limits of memory but what --memory says"
_HOSTS = "choice of another host for what failed"
_PACKING = "packed environment: its workers need these packages, and the code"


@dataclass(frozen=True, kw_only=True)
class Executor:
    """`modules` is what has to be importable, `pip` and `conda` what brings it; `place` is what may follow @.

    `lacks` is what only work_queue gives.
    """

    name: str
    modules: tuple[str, ...] = ()
    pip: str = ""
    conda: str = ""
    place: str = ""
    lacks: tuple[str, ...] = ()


EXECUTORS: Mapping[str, Executor] = {
    one.name: one
    for one in (
        Executor(name="work_queue", place="a site"),
        Executor(name="iterative", lacks=(LIMITS, "other process that would survive a crash")),
        Executor(name="futures", lacks=(LEARNED, "workers elsewhere")),
        Executor(
            name="dask",
            modules=("distributed", "cryptography"),
            pip="wq-runner[dask,dashboard]",
            conda="distributed bokeh cryptography dask-jobqueue",
            place="a site, or the address of a scheduler",
            lacks=(LEARNED, _HOSTS, _PACKING),
        ),
        Executor(
            name="parsl",
            modules=("parsl",),
            pip="wq-runner[parsl]",
            conda="parsl",
            place="a configuration FILE.py",
            lacks=(LEARNED, _HOSTS, _PACKING),
        ),
    )
}

WITHOUT = ("taskvine",)
"""Executors of coffea that are known and are not here."""

_FORM = re.compile(r"(?P<name>\w[\w-]*)(?:[@/](?P<place>\S+))?")


@dataclass(frozen=True, kw_only=True)
class Backend:
    """An executor and where it is: ``dask``, ``dask@SITE`` or ``dask/SITE``, ``dask@tcp://HOST:PORT``."""

    name: str
    place: str = ""


def parse(text: str, *, custom: bool = False) -> Backend:
    """Return the backend that a text names; of a `custom` setup, the names are its own.

    Raises
    ------
    ValueError
        If there is none of this name, or if it has no places.
    """
    match = _FORM.fullmatch(text.strip())
    found = Backend(name=match["name"], place=match["place"] or "") if match else Backend(name=text)
    if custom:
        return found
    if found.name in WITHOUT:
        raise ValueError(
            f"{found.name} is not supported, whether ndcctools.taskvine is here or not: it is untested. "
            "work_queue is its elder sibling, of the same package (conda install -c conda-forge "
            "'ndcctools<8'); an executor of your own goes by --executor-custom-setup"
        )
    if found.name not in EXECUTORS:
        raise ValueError(
            f"unknown executor {found.name!r}.{did_you_mean(found.name, EXECUTORS)} "
            f"Known: {', '.join(EXECUTORS)}"
        )
    if found.place and not EXECUTORS[found.name].place:
        able = ", ".join(f"{one.name}@ {one.place}" for one in EXECUTORS.values() if one.place)
        raise ValueError(f"{found.name} runs on this machine, not at {found.place}. After {able}")
    return found


def check_installed(name: str, extra: tuple[str, ...] = ()) -> None:
    """Check that the packages of an executor are here; nothing is imported.

    Raises
    ------
    UsageError
        If one is missing.
    """
    wanted = EXECUTORS[name]
    missing = [one for one in (*wanted.modules, *extra) if importlib.util.find_spec(one) is None]
    if missing:
        raise UsageError(
            f"--executor {name} needs {' and '.join(missing)}, which this Python does not have",
            hint=f'pip install "{wanted.pip}"\nor: conda install -c conda-forge {wanted.conda}',
        )
