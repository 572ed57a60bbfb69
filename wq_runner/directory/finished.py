"""When an earlier run in the directory did all that is asked for now."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wq_runner import checksums
from wq_runner.fingerprint import identity
from wq_runner.model import Chunk, InputFile
from wq_runner.output import result_files
from wq_runner.output.result_files import Form
from wq_runner.planning import ranges
from wq_runner.system import RunPaths


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a run is asked for, as far as it is known before a file is opened.

    `unknown` are the files that have to be opened before the plan is all that is asked for; `left_out`
    are the files of each dataset that are not to be processed, and all that it has.
    """

    datasets: Sequence[str]
    plan: Sequence[Chunk]
    unknown: Sequence[InputFile]
    left_out: Mapping[str, tuple[int, int]]

    @property
    def digest(self) -> str:
        return digest_of(self.datasets, self.plan)


def last_time(paths: RunPaths) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return what the result that is there depends on: the fingerprint, and what its tasks read besides."""
    try:
        last = json.loads(paths.summary.read_text(encoding="utf-8"))
        return dict(last["fingerprint"]), dict(last.get("read_late", {}))
    except (OSError, ValueError, KeyError, TypeError):
        return {}, {}


def not_watched(paths: RunPaths) -> list[str]:
    """Return what the run that left its record here could not compare."""
    try:
        return list(checksums.read_json(paths.summary).get("not_watched", ()))
    except (OSError, ValueError, TypeError):
        return []


def is_finished(
    paths: RunPaths, now: Mapping[str, str], asked: Asked, form: Form, *, accept_stale: bool = False
) -> bool:
    """Whether an earlier run did all that is asked for, with this code, and left its output.

    One that kept results of other code is finished only for who accepts these now as well.
    What is in a file that is not known is asked for as well: such a run is not finished. Nor is one of files
    of which only the samples tell.
    """
    if asked.unknown or not asked.plan or not all(chunk.identity for chunk in asked.plan):
        return False
    try:
        last = checksums.read_json(paths.summary)
        previous, inputs, complete = last["fingerprint"], last["inputs"], last["complete"]
        late = last.get("read_late", {})
        written, files = last["outputs"], last["files_written"]
        as_before = Form.of_record(last["form"]) == form
        limited = {name: (one["files_left_out"], one["files"]) for name, one in last["limited"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    there = result_files.are_there(paths.root, written) and as_before
    there = there and _number_of_files(paths.files) == files
    all_of_it = inputs == asked.digest and _files(limited) == _files(asked.left_out)
    if last.get("stale") and not accept_stale:
        return False
    if not (complete and there and all_of_it):
        return False
    return not identity.changes({**late, **previous}, now)


def _files(left_out: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Return the datasets of which whole files are left out: entries of the others are in the plan."""
    return {name: counts for name, counts in left_out.items() if counts[0]}


def _number_of_files(directory: Path) -> int:
    return sum(path.is_file() for path in directory.rglob("*"))


def digest_of(datasets: Iterable[str], plan: Iterable[Chunk]) -> str:
    """Return a hash of which events of which datasets a plan covers, however it cuts them."""
    spans = {dataset: ranges.by_place(chunks) for dataset, chunks in by_dataset(plan).items()}
    text = json.dumps(
        [
            sorted({*datasets, *spans}),
            [
                [name, sorted([*where, *found] for where, found in spans[name].items())]
                for name in sorted(spans)
            ],
        ]
    )
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def by_dataset(plan: Iterable[Chunk]) -> dict[str, list[Chunk]]:
    """Return the chunks of each dataset."""
    found: defaultdict[str, list[Chunk]] = defaultdict(list)
    for chunk in plan:
        found[chunk.dataset].append(chunk)
    return dict(found)
