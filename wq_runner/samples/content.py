"""What kind of data a file holds: as its name says, or else as it begins."""

from __future__ import annotations

import functools
import re
import struct
from pathlib import Path

ROOT, PARQUET = "root", "parquet"
_NAMED = (
    # ATLAS numbers the files of a task: DAOD_PHYSLITE.1._000001.pool.root.1
    (re.compile(r"\.root(\.\d+)?$", re.IGNORECASE), ROOT),
    (re.compile(r"\.(parquet|parq|pq)$", re.IGNORECASE), PARQUET),
)
_OTHER = (
    ".cfg",
    ".json",
    ".json.gz",
    ".yaml",
    ".yml",
    ".txt",
    ".md",
    ".log",
    ".py",
    ".coffea",
    ".html",
    ".csv",
)
"""Ends of names that say it as well: nobody calls data so."""
_ASIDE = ("~", ".tmp", ".temp", ".part", ".partial", ".filepart", ".bak", ".old", ".orig", ".crdownload")
"""Ends of names of what is not whole yet, or was put aside: counted too, its events would count twice."""


_DATASET = re.compile(
    r"/[^/\s]+/[^/\s]+/(?:[A-Z]+-)*(?:NANOAOD|MINIAOD|AOD|NANOGEN|RECO|RAW|USER|GEN|SIM)(?:SIM)?"
)
"""What DAS calls a dataset: the name of a list of files, and of no file."""
_WITH_TREE = re.compile(r"(.+\.root(?:\.\d+)?):((?!.*//)[^:,]+)", re.IGNORECASE)
"""A file and a tree in it, as uproot writes them; the port of a host is no tree."""
_NO_DATA = (*(".onnx", ".pkl", ".pkl.gz", ".h5", ".pt", ".npz", ".zip", ".tar.gz"), ".cc", ".h", ".xml")


def kind_by_name(name: str) -> str | None:
    """Return what the name of a file or URL says that it is; None if it says nothing."""
    if name.endswith(".root"):
        return ROOT
    for pattern, kind in _NAMED:
        if pattern.search(name):
            return kind
    return None


def split_tree(name: str) -> tuple[str, str | None]:
    """Split ``file.root:tree`` into the name of a file and that of a tree, None if it names none."""
    colon = name.rfind(":")
    if colon < 0 or name.startswith("//", colon + 1):  # 150,000 names
        return name, None
    match = _WITH_TREE.fullmatch(name)
    return (match[1], match[2]) if match else (name, None)


def is_das_dataset(name: str) -> bool:
    """Whether it is ``/PRIMARY/PROCESSED/TIER``, of which DAS knows the files."""
    return name[-1:].isupper() and _DATASET.fullmatch(name) is not None


def may_be_data(name: object) -> bool:
    """Whether a text can be meant as the name of a file of data: by its end, or because it is a path."""
    if not isinstance(name, str):
        return False
    if name.endswith(".root"):
        return True
    bare = split_tree(name.strip())[0]
    if kind_by_name(bare):
        return True
    is_path = "://" in bare or bare.startswith(("/", "~", "./", "../"))
    return is_path and not (
        is_das_dataset(bare) or bare.lower().endswith((*_OTHER, *_NO_DATA)) or " " in bare
    )


def kind(path: str | Path) -> str | None:
    """Return what a file is: by its name, or, if that does not say it and it is here, by how it begins."""
    name = str(path)
    found = kind_by_name(name)
    if found or "://" in name or name.lower().endswith((*_OTHER, *_ASIDE)):
        return found
    return _kind_of_bytes(name)


@functools.lru_cache(maxsize=100_000)
def _kind_of_bytes(path: str) -> str | None:
    place = Path(path)
    if place.name.startswith(".") or not place.is_file():  # and no pipe, which would be waited for
        return None
    try:
        with place.open("rb") as stream:
            return kind_of(stream.read(12))
    except OSError:
        return None


def kind_of(head: bytes) -> str | None:
    """Return what a file is by its first bytes: https://root.cern/doc/master/classTFile.html."""
    if head.startswith((b"PAR1", b"PARE")):
        return PARQUET
    if head.startswith(b"root") and len(head) >= 12:
        version, begin = struct.unpack_from(">ii", head, 4)
        # a list of users begins with root: as well
        return ROOT if 0 < version < 10_000_000 and 0 < begin < 1000 else None
    return None


def without_suffix(name: str) -> str:
    """Return a name without what says that it is data."""
    for pattern, _ in _NAMED:
        shorter = pattern.sub("", name)
        if shorter != name:
            return shorter
    return name
