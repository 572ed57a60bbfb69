"""What is shown of a result that is there: its histograms, and what its samples say of them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wq_runner import checksums, samples
from wq_runner.errors import UsageError, WqRunnerError
from wq_runner.model import Fileset
from wq_runner.monitor import histograms
from wq_runner.monitor.gallery import Gallery
from wq_runner.monitor.histograms import Sample
from wq_runner.monitor.html import NOTHING, Child, Html, static, tag
from wq_runner.samples.together import Direct
from wq_runner.system import RunPaths
from wq_runner.units import format_size

if TYPE_CHECKING:
    from wq_runner.monitor.watch import Watch

_ROWS = 100  # datasets in a notebook
_LARGEST = 200_000_000  # bytes of outputs that are read for a page


def samples_of(
    record: Mapping[str, Any], named: Sequence[str] = (), *, needed: bool = False
) -> dict[str, Sample]:
    """Read what the samples say of their normalization; nothing if they are not there and not `needed`."""
    wanted = named or tuple(record.get("samples") or ())
    try:
        if not wanted:
            raise UsageError("nothing says which samples these are", hint="name them with --samples")
        fileset = samples.load(wanted, wanted=_direct({} if named else record))
    except WqRunnerError:
        if needed or named:
            raise
        return {}
    return _said(fileset)


def _direct(record: Mapping[str, Any]) -> Direct:
    """Return which data files were one dataset in a run."""
    options = record.get("options") or {}
    values = {name: (options.get(name) or {}).get("value") for name in ("dataset", "dataset_per_file")}
    return Direct(dataset=values["dataset"], per_file=bool(values["dataset_per_file"]))


def _said(fileset: Fileset) -> dict[str, Sample]:
    return {
        dataset.name: Sample(
            xsec=_number(dataset.metadata.get("xsec")),
            sum_of_weights=_number(dataset.metadata.get("nSumOfWeights")),
            mean_weight=_mean_weight(dataset.metadata),
            is_data=dataset.is_simulation is False,
        )
        for dataset in fileset
    }


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _mean_weight(metadata: Mapping[str, Any]) -> float | None:
    """Return the mean weight of generated events, as far as the sample says what it takes."""
    weights = _number(metadata.get("nSumOfWeights"))
    events = _number(metadata.get("nGenEvents")) or _number(metadata.get("nEvents"))
    return weights / events if weights and events else None


def known(record: Mapping[str, Any], named: Sequence[str] = (), *, needed: bool = False) -> dict[str, Sample]:
    """Return all datasets of a run, with what their samples say if they are there."""
    return {
        **dict.fromkeys(record.get("datasets") or {}, Sample()),
        **samples_of(record, named, needed=needed),
    }


def section(paths: RunPaths, record: Mapping[str, Any]) -> tuple[Html, str]:
    """Return the histograms of a run's outputs for a page, or why they are not there."""
    files = [paths.output] if paths.output.exists() else sorted(paths.outputs.glob("*.coffea"))
    size = sum(path.stat().st_size for path in files)
    if size > _LARGEST:
        return NOTHING, f"the output has {format_size(size)}; wq-report show draws them"
    try:
        gallery = Gallery(known(record))
        for path in files:
            of = path.stem if path.stem in gallery.samples else ""
            gallery.add(histograms.load(path), of=of)
    except WqRunnerError as error:
        return NOTHING, error.message
    return gallery.section(), ""


def of_run(watch: Watch, fileset: Fileset, value: Any, of: str) -> None:
    """Put an output into page and report of the run that goes on."""
    watch.show(value, of=of, samples=_said(fileset))


def result(found: Any) -> str:
    """Return a result as a notebook shows it: account, histograms, where the report is."""
    paths = RunPaths(root=found.directory.absolute())
    record: Mapping[str, Any] = {}
    with contextlib.suppress(OSError, ValueError, WqRunnerError):
        record = checksums.read_json(paths.summary)
    gallery = Gallery({**dict.fromkeys(found.datasets, Sample()), **samples_of(record)})
    apart = paths.outputs.exists() and isinstance(found.output, dict)
    for name, value in found.output.items() if apart else (("", found.output),):
        gallery.add(value, of=name if name in gallery.samples else "")
    rows: list[Sequence[Child]] = [
        [name, *(f"{one.get(f'events_{kind}', 0):,}" for kind in ("processed", "planned", "skipped"))]
        for name, one in list(found.datasets.items())[:_ROWS]
    ]
    more = len(found.datasets) - _ROWS
    return tag(
        "div",
        tag("style", Html(static("result.css"))),
        tag("p", tag("b", str(found).strip("<>"))),
        tag("details", tag("summary", "datasets"), _table(rows), f"and {more:,} more" if more > 0 else None),
        gallery.figures(),
        tag("p", tag("a", "report", href=str(found.directory / paths.report.name)))
        if paths.report.exists()
        else None,
        class_="wq-result",
    )


def _table(rows: Sequence[Sequence[Child]]) -> Html:
    head = [tag("th", name) for name in ("dataset", "processed", "of", "skipped")]
    return tag("table", tag("tr", head), [tag("tr", [tag("td", cell) for cell in row]) for row in rows])
