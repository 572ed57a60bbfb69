"""`pocket-coffea run` on Work Queue: what its `--executor-custom-setup` asks for.

A file with one line is that file::

    from wq_runner.pocketcoffea import get_executor_factory

and then ``pocket-coffea run --cfg config.py -o out --executor-custom-setup FILE.py -e work_queue@SITE``.
https://pocketcoffea.readthedocs.io/en/stable/running.html
"""

from __future__ import annotations

import atexit
import dataclasses
import logging
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner import units
from wq_runner.config import pocketcoffea as keys
from wq_runner.errors import ExecutorSetupError
from wq_runner.workers import spec
from wq_runner.workers.batch import SYSTEMS

log = logging.getLogger(__name__)

DIRECTORY = "wq-runner"  # below theirs, which has files of the names of ours
_OURS = ("work_queue", *spec.KINDS)
_THEIRS = ("iterative", "futures")
_OPTIONS = ("environment", "name", "password-file", "port", "seed")  # of ours, which they hand on


def get_executor_factory(
    executor_name: str, run_options: Mapping[str, Any] | None = None, outputdir: str = ".", **more: Any
) -> Any:
    """Return the factory of PocketCoffea's protocol: `get` gives the executor, `close` ends it.

    ``iterative`` and ``futures`` are theirs.

    Raises
    ------
    UsageError
        If the executor, or a run option, is none that can be understood.
    """
    options = dict(run_options or {})
    if executor_name in _THEIRS:
        from pocket_coffea.executors import executors_base

        return executors_base.get_executor_factory(executor_name, run_options=options, **more)
    executor = executor_name if "@" in executor_name else _typed(executor_name)
    wanted = planned(options, executor, _their_defaults(executor))
    return _factory_class()(
        options, wanted=wanted, directory=Path(outputdir) / DIRECTORY, base=_configuration().parent
    )


def _their_defaults(executor: str) -> Mapping[str, Any]:
    """Return the run options that PocketCoffea sets by itself: of all executors, and of this one."""
    try:
        from pocket_coffea.parameters import defaults

        content: Any = defaults.OmegaConf.to_container(defaults.get_default_run_options())
        return keys.flattened(content, executor, ())[0]
    except Exception:  # another version has them elsewhere, and only less is left out of what is said
        return {}


def _typed(name: str) -> str:
    """Return the executor as it was typed: a setup of one's own is not told the site."""
    typed = _parameter("executor")
    return typed if typed.partition("@")[0] == name else name


def _configuration() -> Path:
    """Return the file with the configuration, which the setup of an executor is not told either."""
    return Path(_parameter("cfg") or "config.py").absolute()


def _parameter(name: str) -> str:
    import click

    context = click.get_current_context(silent=True)
    return str(context.params.get(name) or "") if context else ""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What their run options come to: arguments of our executor, and what is to be said of the others."""

    arguments: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def planned(options: Mapping[str, Any], executor: str, usual: Mapping[str, Any]) -> Wanted:
    """Read their run options, for ``work_queue@SITE``, ``work_queue``, ``condor@SITE`` or ``slurm``.

    `usual` are those that nobody has asked for: of these nothing is said.

    Raises
    ------
    UsageError
        If one cannot be understood.
    """
    said = {str(key).replace("_", "-"): value for key, value in options.items()}
    form = _workers(said, executor)
    notes = [
        f"{key}: {keys.answer(name, value)}"
        for key, value in said.items()
        if (name := key.replace("-", "_")) in keys.ANSWERS
        and not keys.asks_for_nothing(value)
        and value != usual.get(key)
        and key not in _TIMES
    ]
    batch = spec.meant(form)
    queue, batch_options = said.get("queue") or None, said.get("batch-options") or None
    limits = [duration(said[key], key) for key in _TIMES if not keys.asks_for_nothing(said.get(key))]
    if isinstance(batch, spec.BatchSpec):
        system = SYSTEMS[batch.system]
        batch_options = system.joined(*map(system.time_limit, limits[:1]), batch_options)
        if batch.count == 1:
            notes.append("one worker is started: -s N (scaleout) says how many")
    elif queue or limits:
        notes.append("queue and walltime are of batch systems: workers of this machine have none")
        queue = None
    arguments = {
        "workers": str(form),
        "queue": queue,
        "batch_options": batch_options or None,
        "setup_commands": tuple(map(str, _several(said.get("custom-setup-commands")))),
        "extra_files": tuple(map(str, _several(said.get("extra-file")))),
        "x509_proxy": _proxy(said),
        **{key.replace("-", "_"): said[key] for key in _OPTIONS if not keys.asks_for_nothing(said.get(key))},
    }
    return Wanted(arguments=arguments, notes=tuple(notes))


_TIMES = ("walltime", "max-run-time")


def _workers(said: Mapping[str, Any], executor: str) -> spec.Form:
    name, _, site = executor.partition("@")
    if name not in _OURS:
        raise ExecutorSetupError(
            f"-e {executor}: this setup has work_queue, not {name}",
            hint="-e work_queue@SITE starts workers in the site's batch system (wq-workers sites list), "
            "-e work_queue here; -e iterative and -e futures are PocketCoffea's",
        )
    count = _number(said, "scaleout", units.count) or 1
    sizes = {
        "cores": _number(said, "cores-per-worker", units.count),
        "memory": _number(said, "mem-per-worker", units.worker_memory),
        "disk": _number(said, "disk-per-worker", units.worker_size),
    }
    if said.get("workers"):
        form = spec.of_python(said["workers"]) or spec.Form()
    elif site:
        batch = name in SYSTEMS
        form = spec.Form(kind=name, site=site) if batch else spec.at_site(site, spec.Form(count=count))
    else:
        form = spec.Form(kind=name if name in SYSTEMS else spec.LOCAL)
    return form.filled(count=count, **sizes)


def _number(said: Mapping[str, Any], key: str, parse: Callable[[Any], int]) -> int | None:
    value = said.get(key)
    if keys.asks_for_nothing(value):
        return None
    try:
        return parse(value)
    except ValueError as error:
        raise ExecutorSetupError(f"the run option {key}: {error}") from error


def _several(value: Any) -> Sequence[Any]:
    if value is None or value is False:
        return ()
    return [value] if isinstance(value, str) else list(value)


def _proxy(said: Mapping[str, Any]) -> str | bool | None:
    if said.get("ignore-grid-certificate") in {True, "true", "True"}:
        return False
    return said.get("voms-proxy") or None


def duration(value: Any, key: str = "walltime") -> int:
    """Return seconds: of ``6:00:00``, ``1-00:00:00``, ``6h``, or a number, as YAML makes one of 6:00:00.

    Raises
    ------
    UsageError
        If it is none of these.
    """
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d)(?::(\d\d))?", str(value).strip())
    if match:
        days, hours, minutes, seconds = (int(one or 0) for one in match.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    try:
        return round(units.seconds(value))
    except ValueError as error:
        raise ExecutorSetupError(f"the run option {key}: {value!r} is not a time such as 6:00:00") from error


# -- what is said and done


def advice(dataset: str, argv: Sequence[str]) -> str:
    """Say how PocketCoffea has a dataset in one process, by the command that was typed."""
    words = _without(argv[1:], ("-e", "--executor", "--filter-datasets", "-s", "--scaleout"))
    more = ["-e", "iterative", "--limit-chunks", "1", "--filter-datasets", dataset]
    command = shlex.join([Path(argv[0]).name, *words, *more])
    return (
        f"to see it here, in one process (-o elsewhere keeps what is in the output directory):\n  {command}"
    )


def _without(words: Sequence[str], options: Sequence[str]) -> list[str]:
    found, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in options:
            skip = True
        elif word.partition("=")[0] not in options:
            found.append(word)
    return found


def _factory_class() -> Any:
    """Return the class of factories, which PocketCoffea wants to be one of its own."""
    from pocket_coffea.executors.executors_base import ExecutorFactoryABC

    from wq_runner.coffea_adapter.executor import WorkQueueExecutor
    from wq_runner.frameworks.configured import Surroundings
    from wq_runner.frameworks.kept import Kept

    class WorkQueueFactory(ExecutorFactoryABC):  # type: ignore[misc] # it has no types
        """Makes one executor, whose workers stay from dataset to dataset."""

        def __init__(
            self, run_options: Mapping[str, Any], *, wanted: Wanted, directory: Path, base: Path
        ) -> None:
            self._wanted = wanted
            surroundings = Surroundings(base=base, arguments=wanted.arguments)
            self._kept: Kept | None = Kept(directory, surroundings.describe)
            self._executor: Any = None
            atexit.register(self._end, whole=False)  # they leave without `close` after an error
            super().__init__(run_options)

        def setup(self) -> None:
            """Start nothing: the proxy goes from where it is, and workers come with the work."""
            for note in self._wanted.notes:
                log.warning("run options: %s", note)

        def get(self) -> Any:
            kept = self._kept
            if self._executor is None and kept is not None:
                self._executor = WorkQueueExecutor(logs=kept.paths.workers, **self._wanted.arguments)
                session = kept.attached(self._executor.session)
                ours = dataclasses.replace(
                    session.advice,
                    again=lambda item: advice(item.dataset, sys.argv),
                    skip_files="skip-bad-files: true in the run options leaves such files out, "
                    "and the log names them",
                )
                self._executor.session = dataclasses.replace(session, advice=ours)
            return self._executor

        def close(self) -> None:
            """End it: the output is written, if no call has failed."""
            self._end(whole=True)

        def _end(self, *, whole: bool) -> None:
            if self._kept is None:
                return
            atexit.unregister(self._end)
            if self._executor is not None:
                self._executor.close()
            kept, self._kept = self._kept, None
            kept.close(whole=whole)

    return WorkQueueFactory
