"""What ``--executor`` says, and what each executor is: what it needs, and what it does not give."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass

from wq_runner.errors import ExecutorSetupError, did_you_mean
from wq_runner.workers.batch import SYSTEMS, USUAL

LIMITS = "limits memory or ends what hangs"
LEARNED = "limits memory, unless --memory does"
_HOSTS = "chooses another host for what failed"
_PACKING = "ships packages or code, which the workers need to have"


@dataclass(frozen=True, kw_only=True)
class Executor:
    """`modules` is what has to be importable, `pip` and `conda` what brings it; `place` is what may follow @.

    `lacks` is what it does not do, and work_queue does: what follows "nothing".
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
        Executor(name="iterative", lacks=(LIMITS, "survives a crash")),
        Executor(name="futures", lacks=(LEARNED, "runs on other machines")),
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

_STARTERS = {
    **{called: name for name, one in SYSTEMS.items() for called in (name, one.title.lower())},
    "local": "local",
    "batch": USUAL,
}
_OTHERS = {
    "distributed": "dask",
    "concurrent.futures": "futures",
    "multiprocessing": "futures",
    "workqueue": "work_queue",
    "runner": "work_queue",
    "wq": "work_queue",
    "spark": "",
    "ray": "",
    "local_thread": "",
}
"""Names from elsewhere, and the executor that does the same; none where nothing does."""

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
    if _plain(found.name).replace("_", "") in {*WITHOUT, "vine"}:
        raise ValueError(
            f"{found.name} is not supported, whether ndcctools.taskvine is here or not: it is untested. "
            "work_queue is its elder sibling, of the same package (conda install -c conda-forge "
            "'ndcctools<8'); an executor of your own goes by --executor-custom-setup"
        )
    if found.name not in EXECUTORS:
        raise ValueError(
            f"unknown executor {found.name!r}.{_meant(found.name)} Known: {', '.join(EXECUTORS)}"
        )
    if found.place and not EXECUTORS[found.name].place:
        able = ", ".join(f"{one.name}@ {one.place}" for one in EXECUTORS.values() if one.place)
        raise ValueError(f"{found.name} runs on this machine, not at {found.place}. After {able}")
    return found


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").removesuffix("executor").strip("_")


def _meant(name: str) -> str:
    """Say what a name was probably meant for."""
    plain = _plain(name)
    if plain.startswith("vanilla_"):  # HiggsDNA's jobs of HTCondor
        return f" Workers are started by --workers condor@{plain.removeprefix('vanilla_')}:N (-w)."
    if plain in _STARTERS:
        return f" Workers are started by --workers {_STARTERS[plain]}:N (-w), for the executor work_queue."
    if plain in EXECUTORS or plain in _OTHERS:
        known = plain if plain in EXECUTORS else _OTHERS[plain]
        return f" Did you mean {known}?" if known else ""
    return did_you_mean(name, EXECUTORS)


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
        raise ExecutorSetupError(
            f"--executor {name} needs {' and '.join(missing)}, which this Python does not have",
            hint=f'pip install "{wanted.pip}"\nor: conda install -c conda-forge {wanted.conda}',
        )
