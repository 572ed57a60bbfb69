"""What a run hands over: its result as files, each under its name at once, and how to know them again."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wq_runner import journal, names, system
from wq_runner.config.options import RunOptions
from wq_runner.config.types import FILES, ONE
from wq_runner.execution import ledger
from wq_runner.execution.ledger import Holding
from wq_runner.execution.reduce import add_up
from wq_runner.model import Fileset
from wq_runner.pipeline import schemes
from wq_runner.system import RunPaths


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the result is written: `scheme` as `--outputs` says, with gzip as well or not.

    `names` are the files that datasets go to, where it is by dataset.
    """

    scheme: str = ONE
    names: Mapping[str, str] = field(default_factory=dict)
    pkl_gz: bool = False
    stage_out: str | None = None

    @classmethod
    def of(cls, options: RunOptions, fileset: Fileset) -> Form:
        return cls(
            scheme=options.outputs,
            names=schemes.stems(options.outputs, fileset),
            pkl_gz=options.pkl_gz,
            stage_out=options.stage_out,
        )

    def stem(self, holding: Holding) -> str:
        """Return the name of the file that a result goes to."""
        # what is apart in the ledger may be written together
        portion = holding.portion if self.scheme.startswith(FILES) else ""
        return portion or self.names.get(holding.dataset) or names.file_name(holding.dataset)


def write(output: Any, processor: Any, paths: RunPaths, form: Form) -> list[dict[str, Any]]:
    """Write the result, remove what an earlier run wrote in another form, and describe the files.

    `output` is the whole, postprocessed. For a file of a part, its sum is taken from the ledger and
    postprocessed by itself.
    """
    if form.scheme != ONE:
        paths.outputs.mkdir(exist_ok=True)
        pieces = _each_part(processor, paths, form)
        written = [file for name, value in pieces for file in _save(value, paths.outputs / name, form)]
    else:
        written = _save(output, paths.root / "output", form)
    _remove_others(paths, written)
    return [describe(path, paths.root) for path in written]


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


def postprocessed(processor: Any, output: Any) -> Any:
    """End as coffea's Runner does."""
    if callable(getattr(processor, "postprocess", None)):
        after = processor.postprocess(output)
        return after if after is not None else output
    return output


def sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def _each_part(processor: Any, paths: RunPaths, form: Form) -> Iterator[tuple[str, Any]]:
    from coffea.processor import accumulate

    events = [event for _, event in journal.read(paths.journal)]
    holdings = ledger.look(paths.ledger, events, None).holdings
    for name, held in itertools.groupby(sorted(holdings, key=form.stem), key=form.stem):
        wrapped: dict[str, Any] = accumulate(add_up(held, paths.ledger).values())
        yield name, postprocessed(processor, wrapped["out"])


def _save(value: Any, stem: Path, form: Form) -> list[Path]:
    import cloudpickle
    import lz4.frame

    path = stem.with_name(f"{stem.name}.coffea")
    # checksums of blocks, since whoever unpickles may not read to the end
    with (
        system.replacing(path) as stream,
        lz4.frame.open(stream, "wb", block_checksum=True, content_checksum=True) as packed,
    ):
        cloudpickle.dump(value, packed)
    if not form.pkl_gz:
        return [path]
    zipped = stem.with_name(f"{stem.name}.pkl.gz")
    # no name and no time inside: the same result is the same file
    with system.replacing(zipped) as stream, gzip.GzipFile("", "wb", fileobj=stream, mtime=0) as packed:
        cloudpickle.dump(value, packed)
    return [path, zipped]


def _remove_others(paths: RunPaths, written: Sequence[Path]) -> None:
    others = [path for path in paths.results if path != paths.outputs]
    others += list(paths.outputs.iterdir()) if paths.outputs.is_dir() else []
    for path in others:
        if path not in written:
            path.unlink(missing_ok=True)
    if paths.outputs.is_dir() and not any(paths.outputs.iterdir()):
        shutil.rmtree(paths.outputs)
