"""Sample JSONs brought up to date: their own numbers changed, everything else left as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner import system
from wq_runner.errors import InputError, Problem, SamplesError
from wq_runner.model import InputFile
from wq_runner.samples import paths
from wq_runner.samples.check import default_jobs, pool
from wq_runner.samples.dialects import sample
from wq_runner.samples.probe import BadFileError
from wq_runner.samples.reading import Found
from wq_runner.samples.sums import Sums, sums_of


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A sample JSON: what it said and says now. `old` lacks what was not there."""

    path: Path
    old: Mapping[str, Any]
    new: Mapping[str, Any]

    @property
    def keys(self) -> list[str]:
        return [key for key, value in self.new.items() if key not in self.old or self.old[key] != value]


def check_kind(found: Sequence[Found]) -> None:
    """Refuse what is no sample JSON of whole files: nothing else has these numbers.

    Raises
    ------
    SamplesError
        With all that are none.
    """
    problems = []
    for one in found:
        path = Path(one.origin)
        if path.suffix.lower() != ".json" or not _is_sample(path):
            text = f"{one.dataset.name} is not from a sample JSON of its own (wq-samples convert makes some)"
            problems.append(Problem(where=paths.shown(path), text=text))
        elif any(file.ranges is not None for file in one.dataset.files):
            text = f"{one.dataset.name} holds parts of files: its numbers would not be those of the sample"
            problems.append(Problem(where=paths.shown(path), text=text))
    if problems:
        raise SamplesError("what is to be updated", problems)


def _is_sample(path: Path) -> bool:
    return sample.is_sample(json.loads(path.read_text("utf-8-sig")))


@dataclass(frozen=True, kw_only=True)
class Surveyed:
    """A file that was opened: what is in it, or else what is wrong with it."""

    dataset: str
    sums: Sums | None = None
    problem: str = ""


def survey(files: Sequence[tuple[str, InputFile]], jobs: int | None = None) -> Iterator[Surveyed]:
    """Open every file of some datasets, `jobs` at a time, and yield what is found as it comes."""
    opening = pool(min(jobs or default_jobs(), max(1, len(files))), len(files))
    try:
        asked = [opening.submit(look, dataset, file) for dataset, file in files]
        for one in as_completed(asked):
            yield one.result()
    except BrokenProcessPool as error:
        raise InputError(
            "a file crashed the process that opened it", hint="update fewer samples at once to see which one"
        ) from error
    finally:
        opening.shutdown(wait=False, cancel_futures=True)


def look(dataset: str, file: InputFile) -> Surveyed:
    """Open one file."""
    try:
        return Surveyed(dataset=dataset, sums=sums_of(file))
    except BadFileError as error:
        return Surveyed(dataset=dataset, problem=str(error))


def update(path: Path, values: Mapping[str, Any], *, dry_run: bool = False) -> Changed:
    """Write new values into a sample JSON, under its name at once; a file that is right is left alone."""
    text = path.read_text("utf-8-sig")
    document = json.loads(text)
    changed = Changed(path=path, old=document, new=values)
    if changed.keys and not dry_run:
        with system.replacing(path, "w") as stream:
            stream.write(rewritten(text, {**document, **values}))
    return changed


def rewritten(text: str, document: Mapping[str, Any]) -> str:
    """Return a document in the form that the text has: its indentation, its letters, its end."""
    match = re.search(r"\n([ \t]+)\S", text)
    new = json.dumps(document, indent=match[1] if match else None, ensure_ascii=text.isascii())
    return new + text[len(text.rstrip()) :]
