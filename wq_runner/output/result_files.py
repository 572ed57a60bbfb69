"""What a run hands over: its result as files, each under its name at once, and how to know them again."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import shlex
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from wq_runner import formats, guarded, names, system
from wq_runner.config.settings import OutputSettings
from wq_runner.config.types import FILES, ONE
from wq_runner.errors import OutputError, ProcessorError, WqRunnerError
from wq_runner.formats import WHOLE
from wq_runner.ledger import totals
from wq_runner.ledger.items import Sum
from wq_runner.model import Fileset
from wq_runner.planning import schemes
from wq_runner.remote import abilities, several
from wq_runner.remote.reads import recorder
from wq_runner.system import RunPaths

_DROPPED = (
    "what postprocess returns is dropped, as by the Runner of this coffea: only what it changes in place is "
    "in the result"
)
_AGAIN = "all chunks are done, and what they returned is kept: mend it, and start the same command again"


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the result is written: `scheme` as `--outputs` says, and in which formats `also`.

    `names` are the files that datasets go to, where it is by dataset.
    """

    scheme: str = ONE
    names: Mapping[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    stage_out: str | None = None

    @classmethod
    def of(cls, settings: OutputSettings, fileset: Fileset) -> Form:
        return cls(
            scheme=settings.scheme,
            names=schemes.stems(settings.scheme, fileset),
            also=settings.also,
            stage_out=settings.stage_out,
        )

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Form:
        """Return what `run.json` says of it."""
        told = {name: value for name, value in record.items() if name not in formats.ALSO}
        return cls(**told, also=formats.chosen(record))

    def record(self) -> dict[str, Any]:
        """Return what `run.json` says of it: of each format whether it was asked for."""
        told = {name: value for name, value in vars(self).items() if name != "also"}
        return {**told, **{name: name in self.also for name in formats.ALSO}}

    @property
    def by_files(self) -> bool:
        """Whether a dataset goes to several files."""
        return self.scheme.startswith(FILES)

    def stem(self, of: Sum) -> str:
        """Return the name of the file that a sum goes to."""
        if self.scheme == ONE:
            return WHOLE
        dataset, portion = of
        # what is apart in the ledger may be written together
        return (portion if self.by_files else "") or self._of_dataset(dataset)

    def _of_dataset(self, name: str) -> str:
        return self.names.get(name) or names.file_name(name)


@dataclass(frozen=True, kw_only=True)
class Written:
    """The files of a result, as run.json describes them, and the first reason why one is not there.

    `notes` are what the user should know of how they came about.
    """

    files: Sequence[Mapping[str, Any]]
    problem: WqRunnerError | None = None
    notes: Sequence[str] = ()


def write(
    sums: Mapping[Sum, Any],
    processor: Any,
    paths: RunPaths,
    form: Form,
    shown: Callable[[Any, str], None] = lambda _value, _of: None,
    early: Mapping[str, Written] = MappingProxyType({}),
) -> Written:
    """Write the result, remove what an earlier run wrote in another form, and describe the files.

    What was written `early`, while the run went, is there already.

    `shown` is given each output, and the dataset if it is of one. `sums` are of coffea's function. What goes
    into one file is added up and postprocessed by itself; where that fails, the other files are written all
    the same.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    place = paths.root if form.scheme == ONE else paths.outputs
    place.mkdir(exist_ok=True)
    apart = (
        "book them alike, or write one file for each dataset, which needs no such sum, of what is done: "
        f"start the same command with --outputs per-dataset, or\n"
        f"wq-report merge {shlex.quote(str(paths.root))} --outputs per-dataset"
    )
    files: list[Mapping[str, Any]] = []
    notes: list[str] = []
    problem: WqRunnerError | None = None
    for stem, parts in itertools.groupby(sorted(sums, key=form.stem), key=form.stem):
        if (before := early.get(stem)) is not None and are_there(paths.root, before.files):
            files += before.files
            notes += before.notes
            continue
        try:
            value, note, failed = _ended_each(processor, {of: sums[of] for of in parts}, stem, apart)
            problem = problem or failed
            notes += [note] if note else []
            saved = save(value, place / stem, form.also)
            files += [describe(path, paths.root) for path in saved]
            datasets = {dataset for dataset, portion in sums if form.stem((dataset, portion)) == stem}
            shown(value, datasets.pop() if len(datasets) == 1 else "")
        except OutputError:
            raise
        except WqRunnerError as error:
            problem = problem or error
    _remove_others(paths, [paths.root / one["path"] for one in files])
    return Written(files=files, problem=problem, notes=list(dict.fromkeys(notes)))


def describe(path: Path, root: Path) -> dict[str, Any]:
    """Return what run.json says of a file of the result."""
    return {
        "path": path.relative_to(root).as_posix(),
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
    }


def are_there(root: Path, described: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the files are there in their full size."""
    paths = [root / one["path"] for one in described]
    return bool(paths) and all(
        path.is_file() and path.stat().st_size == one["bytes"]
        for path, one in zip(paths, described, strict=True)
    )


def is_whole(root: Path, described: Mapping[str, Any]) -> bool:
    """Whether a file is what was written, to the last bit."""
    path = root / described["path"]
    try:
        return bool(path.stat().st_size == described["bytes"] and sha256(path) == described["sha256"])
    except OSError:
        return False


def without_end(names: Collection[str]) -> Any:
    """Return what does nothing at the end: for one processor, or for each of several that have names."""
    return None if "" in names else several.Several(dict.fromkeys(names))


def ended(processor: Any, sums: Mapping[Sum, Any], stem: str, apart: str) -> tuple[Any, str]:
    """Add sums up, and end as coffea's Runner does; with a note if that is not what the user may expect.

    `apart` is the hint if they cannot be added. Of several processors it is the result of each, by its name;
    in a file of one of them, its result.
    """
    value, note, problem = _ended_each(processor, sums, stem, apart)
    if problem is not None:
        raise problem
    return value, note


def _ended_each(
    processor: Any, sums: Mapping[Sum, Any], stem: str, apart: str
) -> tuple[Any, str, WqRunnerError | None]:
    """Do that for each of several processors; one that fails does not keep the others from their results."""
    if not several.is_several(processor):
        return *_ended(processor, sums, stem, apart), None
    of_each: dict[str, dict[Sum, Any]] = {}
    for of, one in sums.items():
        of_each.setdefault(several.processor_of(of[0]), {})[of] = one
    value: dict[str, Any] = {}
    notes: list[str] = []
    problems: list[WqRunnerError] = []
    for name in filter(of_each.__contains__, processor):
        try:
            value[name], note = _ended(
                processor.named(name), of_each[name], name if stem == WHOLE else stem, apart
            )
        except WqRunnerError as error:
            problems.append(error)
        else:
            notes += [note] if note else []
    if not value:
        raise problems[0]
    problem = problems[0] if problems else None
    return value if stem == WHOLE else next(iter(value.values())), "".join(notes[:1]), problem


def _ended(processor: Any, sums: Mapping[Sum, Any], stem: str, apart: str) -> tuple[Any, str]:
    results = {
        f"{dataset} ({portion})" if portion else dataset: sums[dataset, portion] for dataset, portion in sums
    }
    output = totals.total(results, hint=apart)[totals.OUT]
    whose = "" if stem == WHOLE else f" for {stem}"
    with recorder.ending(), guarded.code(f"the processor's postprocess failed{whose}", hint=_AGAIN):
        if callable(getattr(processor, "postprocess", None)):
            after = processor.postprocess(output)
            if after is not None and abilities.takes_what_postprocess_returns():
                return after, ""
            if after is not None and after is not output:
                return output, _DROPPED
    return output, ""


def sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def save(value: Any, stem: Path, also: Collection[str] = ()) -> list[Path]:
    """Write a result as stem.coffea, and in the formats that are asked for `also`."""
    written = []
    for one in (formats.COFFEA, *(formats.ALSO[name] for name in also)):
        path = stem.with_name(f"{stem.name}{one.suffix}")
        with _writing(path), system.replacing(path) as stream:
            one.write(value, stream)
        written.append(path)
    return written


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Tell a place that cannot be written from a value that cannot."""
    try:
        yield
    except MemoryError as error:
        raise totals.out_of_memory(f"to write {path}") from error
    except OSError as error:
        raise system.refused(error, path) from error
    except Exception as error:
        lines = guarded.lines_of(error)
        raise ProcessorError(
            f"the result holds what cannot be written in {path.name}\n\n{lines}", hint=_AGAIN
        ) from error


def _remove_others(paths: RunPaths, written: Sequence[Path]) -> None:
    others = [path for path in paths.results if path != paths.outputs]
    others += list(paths.outputs.iterdir()) if paths.outputs.is_dir() else []
    for path in others:
        if path not in written:
            path.unlink(missing_ok=True)
    if paths.outputs.is_dir() and not any(paths.outputs.iterdir()):
        shutil.rmtree(paths.outputs)
