"""What `wq-run` does, from Python: for notebooks, where manager and workers outlive a run."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wq_runner import checksums, summary
from wq_runner.api import given, keeper
from wq_runner.api.keywords import Keywords
from wq_runner.api.signature import told
from wq_runner.config.options import RunOptions, defaulted
from wq_runner.config.resolved import resolve
from wq_runner.errors import (
    ExecutorSetupError,
    InterruptedRunError,
    PartialResultError,
    SamplesError,
    WqRunnerError,
)
from wq_runner.monitor.console import PlainConsole
from wq_runner.steps import run as steps
from wq_runner.steps.request import Request
from wq_runner.system import RunPaths

if TYPE_CHECKING:
    from typing_extensions import Unpack

WIDTH = 110  # of what is printed below a cell


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run left in its directory.

    `output` is what the processor returned, merged and postprocessed. `complete` is False if something is
    missing from it, which `datasets` counts in events and `missing` lists.
    """

    output: Any
    complete: bool
    datasets: Mapping[str, Mapping[str, Any]]
    missing: Sequence[Mapping[str, Any]]
    directory: Path

    def __repr__(self) -> str:
        done, planned = (
            sum(one[key] for one in self.datasets.values()) for key in ("events_processed", "events_planned")
        )
        state = "complete" if self.complete else "partial"
        return f"<{state}: {done:,} of {planned:,} events, in {self.directory}>"

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows: the account, the histograms, a link to the report."""
        from wq_runner.results import shown

        try:
            return shown.result(self)
        except Exception:
            return None  # what cannot be drawn is shown as text


@told
def run(
    samples: str | Path | Mapping[str, Any] | Iterable[str | Path],
    processor: Any = None,
    *,
    schema: Any = None,
    **options: Unpack[Keywords],
) -> Result:
    """Run a processor over samples, as `wq-run` does, and return what came of it.

    The manager and its workers are kept for the next run, until `close` or the end of Python. An
    interrupt waits for what runs and returns what is done; a second one leaves at once. The same call
    again does what is left.

    Parameters
    ----------
    samples
        What `wq-run` takes, one or several, or a fileset of coffea as a dict.
    processor
        An instance of a ProcessorABC, a class of them (which is built with `processor_args`), a function of
        events, or ``FILE.py:NAME`` or ``module:NAME``; without it, a survey. A dict of them by names runs
        all on one reading of each chunk; the output is a dict of their results.
    schema
        A class of coffea.nanoevents, or its name.
    options
        The options of `wq-run` by their long names: ``workers="local:4"`` or ``workers=4``,
        ``workers="slurm:20"``, ``chunksize="100k"``, ``memory="2GB"``. Relative files are looked for in the
        current directory. Without ``output``, all is written to ``wq-run-NAME``, which is called after the
        first file of samples, or after the processor where the samples are a dict.

    Returns
    -------
    Result
        The output, and how complete it is.

    Raises
    ------
    WqRunnerError
        If there is no result.
    """
    try:
        return _run(samples, processor, schema, dict(options))
    except WqRunnerError as error:
        raise error.with_traceback(None) from None  # it says all itself: our own lines help nobody


def _run(samples: Any, processor: Any, schema: Any, options: dict[str, Any]) -> Result:
    if schema is not None:
        options["schema"] = schema if isinstance(schema, str) else given.import_name(given.schema_of(schema))
    if processor is not None:
        options["processor"] = given.processor_option(processor)
    if not isinstance(named := options.get("executor"), str | None):
        raise ExecutorSetupError(
            f"executor: run() takes the name of one, and not an object ({type(named).__name__})",
            hint='executor="futures", for instance; an executor of coffea goes into coffea\'s own Runner',
        )
    chosen = defaulted(given.options_of(options), options)
    names = given.sample_names(samples, given.title(processor))
    if processor is not None and not given.is_text(processor):
        processor = given.built(processor, chosen)
    request = Request(
        samples=names,
        options=vars(chosen),
        origins={
            one.name: "run()" if one.name in options else "default" for one in dataclasses.fields(RunOptions)
        },
        command=("wq_runner.run",),
        version=importlib.metadata.version("wq-runner"),
        analysis=None
        if processor is None or given.is_text(processor)
        else given.analysis(processor, chosen.schema),
        keeper=keeper.kept(),
        settings=resolve(chosen),
    )
    console = PlainConsole(force_jupyter=False, width=WIDTH)
    before = summary.look(RunPaths(root=request.directory))
    try:
        steps.run(request, console)
    except SamplesError as error:
        if not isinstance(samples, Mapping):
            raise
        for place in (names[0], str(Path(names[0]).resolve())):  # nobody knows this file
            error.message = error.message.replace(place, "the fileset")
        raise
    except (InterruptedRunError, PartialResultError) as error:
        if not _wrote(request.directory, before):
            raise
        console.print(error.message, highlight=False, markup=False)
    return _result(request.directory)


def close() -> None:
    """End the manager and the workers that `run` keeps."""
    keeper.kept().close()


# -- what came of it


def _wrote(directory: Path, before: Mapping[str, Any] | None) -> bool:
    """Whether there is a result that was not there before."""
    found = summary.look(RunPaths(root=directory))
    return found is not None and found != before and bool(found["outputs"])


def _result(directory: Path) -> Result:
    from coffea.util import load

    paths = RunPaths(root=directory.absolute())
    found = checksums.read_json(paths.summary)
    output = (
        {path.stem: load(path) for path in sorted(paths.outputs.glob("*.coffea"))}
        if paths.outputs.exists()
        else load(paths.output)
    )
    return Result(
        output=output,
        complete=found["complete"],
        datasets=found["datasets"],
        missing=found["missing"],
        directory=directory,
    )
