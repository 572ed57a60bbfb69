"""The folder of an export: every path in it, and what it says of its jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner import checksums
from wq_runner.errors import ExportError
from wq_runner.workers.batch import NAMES

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Slice:
    """What one job runs on: files of one dataset. `events` are those that it has to account for."""

    name: str
    dataset: str
    files: int
    events: int


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Every path of an export."""

    root: Path

    @property
    def record(self) -> Path:
        """What was exported; its presence makes a directory an export."""
        return self.root / "export.json"

    @property
    def script(self) -> Path:
        return self.root / "job.sh"

    @property
    def environment(self) -> Path:
        return self.root / "environment"

    @property
    def samples(self) -> Path:
        return self.root / "samples"

    @property
    def submit(self) -> Path:
        return self.root / "submit"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def results(self) -> Path:
        """What jobs bring back: of each the directory of its run."""
        return self.root / "results"

    @property
    def replaced(self) -> Path:
        """Results that were found bad and are made again."""
        return self.root / "replaced"

    @property
    def checkout(self) -> Path:
        """The repository of `--remote-repo`, as jobs check it out."""
        return self.root / "checkout"

    @property
    def merged(self) -> Path:
        return self.root / "merged"

    def samples_of(self, job: str) -> Path:
        return self.samples / f"{job}.json"

    def options_of(self, job: str) -> Path:
        """Return where the options of a job are, as `--run-options` takes them."""
        return self.samples / f"{job}-options.json"


@dataclass(frozen=True, kw_only=True)
class Export:
    """What `export.json` says: the run as it was asked for, and the jobs that it was split into."""

    folder: Folder
    content: Mapping[str, Any]

    @property
    def jobs(self) -> Sequence[Slice]:
        return [Slice(**one) for one in self.content["jobs"]]

    def altered(self, job: str) -> str:
        """Name what a job is given that is not what was exported; nothing if all is."""
        for path in (self.folder.samples_of(job), self.folder.options_of(job)):
            try:
                same = checksums.of_file(path) == self.content["written"].get(path.name)
            except OSError:
                same = False
            if not same:
                return path.relative_to(self.folder.root).as_posix()
        return ""

    @property
    def stage_out(self) -> str | None:
        found: str | None = self.content["stage_out"]
        return found


def is_export(directory: Path) -> bool:
    return Folder(root=directory).record.is_file()


def read(directory: Path) -> Export:
    """Read what was exported.

    Raises
    ------
    UsageError
        If the directory is no export, or one of another version.
    """
    folder = Folder(root=directory.absolute())
    try:
        content = checksums.read_json(folder.record)
        found = content["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExportError(
            f"{directory} is not the folder of an export: {error}",
            hint=f"wq-run export {NAMES} -o JOBDIR makes one",
        ) from error
    if found != FORMAT:
        raise ExportError(f"{folder.record} has format {found}, but this version of wq-runner reads {FORMAT}")
    return Export(folder=folder, content=content)


def write(export: Export) -> None:
    checksums.write_json(export.folder.record, {"format": FORMAT, **export.content})
