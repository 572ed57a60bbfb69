"""The files that processors wrote beside their results: their names, and how they come to have them.

They travel inside the answers of tasks. When an answer is accepted they get their names below the
run's directory, then a line of the journal says so. A file without its line does not count.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from uuid import UUID

from msgspec import structs

from wq_runner import names, system
from wq_runner.ledger.items import Key, uuid_of
from wq_runner.remote import wire
from wq_runner.run_events import Accepted, SideFile

_SUFFIX, _TREE = (
    30,
    40,
)  # bytes at most in a name: with `names.PART` and a range it is less than file systems take
_AT_ONCE = 8  # files that are read together: one may wait for the disk while another is added up


@dataclass(frozen=True, kw_only=True)
class FileStore:
    """Where the files go, and how they are called there."""

    root: Path
    naming: str = "uuid"
    folders: Mapping[str, str] = field(default_factory=dict)
    """The directories of datasets, where all are known."""

    def commit(self, result: Path, accepted: Sequence[Accepted]) -> list[Accepted]:
        """Give the files in an answer their names, safely on disk, cut them off the answer, and name them."""
        header, _ = wire.read(result)
        if not header.get("files"):
            return list(accepted)
        of = [(number, key) for number, one in enumerate(accepted) for key in one.items]
        places = dict(zip(header["done"], of, strict=True))
        made: list[list[SideFile]] = [[] for _ in accepted]
        for entry, blocks in wire.each_file(result):
            number, key = places[entry["index"]]
            name = self._free_name(accepted[number].dataset, key, entry["name"])
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with system.replacing(path) as stream:
                for block in blocks:
                    stream.write(block)
            made[number].append(SideFile(name=name, size=entry["size"], checksum=entry["checksum"]))
        wire.drop_files(result)
        return [structs.replace(one, files=tuple(files)) for one, files in zip(accepted, made, strict=True)]

    def _free_name(self, dataset: str, key: Key, name: str) -> str:
        """Return a name that no other chunk has: two copies of a file have the same uuid."""
        found = file_name(self.naming, dataset, key, name, folder=self.folders.get(dataset))
        if not (self.root / found).exists():
            return found
        path = PurePosixPath(found)
        mark = hashlib.blake2b(repr((key, name)).encode(), digest_size=4).hexdigest()
        return str(path.with_name(f"{mark}_{path.name}" if self.naming == "uuid" else f"{mark}+{path.name}"))

    def damaged(self, files: Iterable[SideFile]) -> frozenset[str]:
        """Read all of them, and return the names of those that are missing or not what was written."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return frozenset(name for name in pool.map(self._damaged, files) if name)

    def _damaged(self, file: SideFile) -> str:
        path = self.root / file.name
        whole = _size(path) == file.size and _checksum(path) == file.checksum
        return "" if whole else file.name

    def others(self, files: Iterable[SideFile]) -> list[Path]:
        """Return what is there and none of these."""
        keep = {str(self.root / one.name) for one in files}
        return [path for path in sorted(self.root.rglob("*")) if _is_file(path) and str(path) not in keep]

    def remove_others(self, files: Iterable[SideFile], aside: Path | None = None) -> None:
        """Remove what no accepted result brought, or put it `aside`."""
        for path in self.others(files):
            put_aside(path, aside / path.relative_to(self.root) if aside else None)
        for path in sorted(self.root.rglob("*"), reverse=True):
            if not _is_file(path):
                with contextlib.suppress(OSError):  # it holds something
                    path.rmdir()


def put_aside(path: Path, target: Path | None) -> None:
    """Give a file another name, or remove it where there is none."""
    if target is None:
        path.unlink()
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)


def file_name(naming: str, dataset: str, key: Key, name: str, *, folder: str | None = None) -> str:
    """Return the name of a file that a chunk wrote as `name`: pure.

    ``uuid``   DATASET/NAME_UUID_START-STOP.parquet
    ``legacy`` DATASET/NAME/UUID_TREE_START-STOP.parquet, as HiggsDNA calls its files by their uuid
    ``das``    DATASET/NAME/FILE_TREE_START-STOP.parquet, with the name of the input file

    Directories that the processor made are kept; with the last two they stand in for NAME. DATASET is the
    `folder`, if one is given.
    """
    path, treename, start, stop, file = key
    uuid = uuid_of(file)
    written = PurePosixPath(name)
    place = PurePosixPath(folder or names.file_name(dataset))
    above = [names.file_name(part) for part in written.parent.parts]
    stem, suffix = _stem_and_suffix(written)
    span = f"{start}-{stop}{suffix}"
    if naming == "uuid":
        return str(place.joinpath(*above, f"{names.file_name(stem, names.PART)}_{_uuid_text(uuid)}_{span}"))
    source = PurePosixPath(path.rsplit("/", 1)[-1]).stem if naming == "das" else _uuid_text(uuid)
    tree = names.file_name(treename.rpartition("/")[2], _TREE)
    in_name = f"{names.file_name(source, names.PART)}_{tree}_{span}"
    return str(place.joinpath(*(above or [names.file_name(stem)]), in_name))


def _stem_and_suffix(written: PurePosixPath) -> tuple[str, str]:
    """Split a name before its suffixes, which are short and stay as they are."""
    suffix = "".join(written.suffixes)
    if not suffix or len(suffix) > _SUFFIX or names.file_name(suffix[1:]) != suffix[1:]:
        return written.name, ""
    return written.name.removesuffix(suffix), suffix


def _uuid_text(uuid: str) -> str:
    return str(UUID(hex=uuid)) if len(uuid) == 32 else uuid or "none"


def _is_file(path: Path) -> bool:
    return path.is_symlink() or not path.is_dir()


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - once for each of many files
    except OSError:
        return -1


def _checksum(path: Path) -> str:
    try:
        return wire.checksum_of(path)
    except OSError:
        return ""
