"""Open one data file and say what is in it, or what is wrong with it.

Runs inside tasks: import-light, prints nothing, and its errors can be pickled.
"""

from __future__ import annotations

import hashlib
import logging
import math
import struct
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

from wq_runner.errors import InputError, nearest
from wq_runner.model import FileFacts, InputFile
from wq_runner.remote import identity
from wq_runner.remote.opening import Reading
from wq_runner.samples import content, headers, paths

_DEFAULT_TIMEOUT = 60.0
_PLAIN = Reading()

log = logging.getLogger(__name__)


class Cause(str, Enum):
    MISSING = "missing"
    PERMISSION = "permission"
    NOT_DATA = "not data"
    """Neither ROOT nor parquet."""
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    NO_TREE = "no tree"
    CHANGED = "changed"
    """Not the file that the samples describe."""
    UNREACHABLE = "unreachable"
    """A remote file that could not be read: another time, or elsewhere, it may be."""
    UNSUPPORTED = "unsupported"
    """A package that reads files of this kind is not installed here."""


class BadFileError(InputError):
    """A file that cannot be read; `cause` is for decisions, `text` for people (one line)."""

    def __init__(self, path: str, cause: Cause, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path
        self.cause = cause
        self.text = text

    def __reduce__(self) -> tuple[type[BadFileError], tuple[str, Cause, str]]:
        return type(self), (self.path, self.cause, self.text)


def probe(
    file: InputFile,
    *,
    clusters: bool = False,
    whole: bool = False,
    timeout: float | None = None,
    reading: Reading = _PLAIN,
) -> FileFacts:
    """Open a file, at its path and not at its fallbacks, and return its facts.

    Parameters
    ----------
    clusters
        Also find the entries at which all branches have a boundary; reads more of the file.
    whole
        Read all that says what is in the tree, and so find what is damaged in that; takes ten times as long.
    timeout
        Seconds for each request to a remote server, unless `reading` says.

    Raises
    ------
    BadFileError
        If the file cannot be read, is not whole, or has no such tree.
    """
    try:
        if not paths.is_url(file.path):
            _check_local(file.path)
        if content.kind(file.path) == content.PARQUET:
            return _probe_parquet(file, clusters)
        seconds = reading.timeout or timeout or _DEFAULT_TIMEOUT
        # whole seconds: XRootD takes no others
        options = {"timeout": math.ceil(seconds), **reading.options_for(file.path)}
        return _probe_root(file, options, clusters=clusters, whole=whole)
    except BadFileError:
        raise
    except Exception as error:
        raise classified(file, error) from error


def _probe_root(file: InputFile, options: dict[str, Any], *, clusters: bool, whole: bool) -> FileFacts:
    import uproot

    whole = whole or clusters
    with uproot.open(
        {file.path: None}, custom_classes=None if whole else headers.classes(), **options
    ) as root:
        _check_size(file, root.file.fEND, lambda: root.file.source.num_bytes)
        kind = _kind_of_tree(file, root)
        if whole:
            return _facts(root, root[file.treename], clusters)
        if not kind.endswith("RNTuple"):  # which are no objects in the file
            try:
                return _facts(root, root[file.treename], clusters)
            except OSError:
                raise
            except Exception as error:
                log.debug("%s: read as a whole, as its tree alone cannot be: %s", file.path, error)
    return _probe_root(file, options, clusters=clusters, whole=True)


def _facts(root: Any, tree: Any, clusters: bool) -> FileFacts:
    return FileFacts(
        entries=int(tree.num_entries),
        uuid=bytes(root.file.fUUID),
        identity=identity.of_root(tree),
        clusters=_clusters(tree) if clusters else None,
    )


def _probe_parquet(file: InputFile, clusters: bool) -> FileFacts:
    from pyarrow import parquet

    with Path(file.path).open("rb") as stream, parquet.ParquetFile(stream) as opened:
        groups = [opened.metadata.row_group(i).num_rows for i in range(opened.metadata.num_row_groups)]
        # coffea's own uuid of a parquet file, which has none
        uuid = hashlib.md5(file.path.encode(), usedforsecurity=False).digest()
        ends = tuple(sum(groups[:count]) for count in range(1, len(groups) + 1))
        return FileFacts(
            entries=opened.metadata.num_rows,
            uuid=uuid,
            identity=identity.of_parquet(stream),
            clusters=tuple(sorted({0, *ends})) if clusters else None,
        )


def _kind_of_tree(file: InputFile, root: Any) -> str:
    kind = _kind(file.treename, root)
    if kind is not None and _is_tree(kind):
        return kind
    raise BadFileError(file.path, Cause.NO_TREE, _no_tree(file.treename, kind, root))


def _kind(name: str, root: Any) -> str | None:
    from uproot.exceptions import KeyInFileError

    try:
        return str(root.classname_of(name))
    except KeyInFileError:
        return None


def _no_tree(name: str, kind: str | None, root: Any) -> str:
    if kind is not None:
        return f"{name} is a {kind}, not a tree"
    kinds: dict[str, str] = root.classnames(recursive=True, cycle=False)
    if not kinds:
        return f"no tree {name}: the file holds nothing, as if its job had ended before writing"
    trees = sorted(key for key, kind in kinds.items() if _is_tree(kind))
    near = nearest(name, trees)
    hint = f"; nearest: {near}" if near and len(trees) > 1 else ""
    return f"no tree {name}; it has {', '.join(trees[:10]) or 'no trees at all'}{hint}"


def _is_tree(kind: str) -> bool:
    return kind in {"TTree", "TNtuple", "TNtupleD", "TChain"} or kind.endswith("RNTuple")


def _clusters(tree: Any) -> tuple[int, ...]:
    if hasattr(tree, "common_entry_offsets"):
        offsets = tree.common_entry_offsets()
    else:
        offsets = [cluster.num_first_entry for cluster in tree.cluster_summaries]
    return tuple(sorted({0, int(tree.num_entries), *(int(offset) for offset in offsets)}))


def _check_local(path: str) -> None:
    """Look at the first bytes: uproot would open a file cut in half, and say little of other kinds."""
    with Path(path).open("rb") as stream:
        head = stream.read(64)
        size = stream.seek(0, 2)
    if size == 0:
        raise BadFileError(path, Cause.TRUNCATED, "empty, 0 bytes")
    if content.kind(path) == content.PARQUET:
        if not head.startswith(b"PAR1"):
            raise BadFileError(path, Cause.NOT_DATA, f"not a parquet file but {_looks_like(head)}")
        return
    if not head.startswith(b"root"):
        raise BadFileError(path, Cause.NOT_DATA, f"not a ROOT file but {_looks_like(head)}")
    end = _end_of_file(head)
    if end is None or size < end:
        raise BadFileError(path, Cause.TRUNCATED, _cut(size, end))


def _end_of_file(head: bytes) -> int | None:
    """Return where the header of a ROOT file says that it ends: https://root.cern/doc/master/classTFile.html."""
    try:
        version = struct.unpack_from(">i", head, 4)[0]
        end: int = struct.unpack_from(">q" if version >= 1_000_000 else ">i", head, 12)[0]
    except struct.error:
        return None
    return end


def _check_size(file: InputFile, end: int, size_of: Callable[[], int | None]) -> None:
    if not paths.is_url(file.path):
        return
    try:
        size = size_of()
    except Exception:  # a server need not say how large a file is
        return
    if size and size < end:
        raise BadFileError(file.path, Cause.TRUNCATED, _cut(size, end))


def _cut(size: int, end: int | None) -> str:
    return (
        f"cut short: {size:,} of {end:,} bytes are there" if end else f"cut short: {size:,} bytes are there"
    )


def _looks_like(head: bytes) -> str:
    kinds = (
        (b"root", "a ROOT file"),
        (b"PAR1", "a parquet file"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x1f\x8b", "gzip compressed data"),
        (b"\x89HDF", "an HDF5 file"),
        (b"\x00" * 8, "zeros, as a transfer that failed leaves"),
    )
    for magic, kind in kinds:
        if head.startswith(magic):
            return kind
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "an HTML page, as a login or an error page"
    start = head[:16].decode("ascii", errors="replace")
    return (
        f"text: {start.strip()!r}..." if start.strip().isprintable() else f"data that start with {head[:4]!r}"
    )


def classified(file: InputFile, error: Exception) -> BadFileError:
    """Say what is wrong with a file, from what the library that read it raised."""
    remote = paths.is_url(file.path)
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, FileNotFoundError):
        cause, text = Cause.MISSING, "no such file"
    elif isinstance(error, PermissionError):
        cause, text = Cause.PERMISSION, "no permission to read it"
    elif isinstance(error, IsADirectoryError):
        cause, text = Cause.NOT_DATA, "a directory"
    elif isinstance(error, ImportError):
        cause, text = Cause.UNSUPPORTED, f"cannot be opened here, a package is missing: {text}"
    elif "not a ROOT file" in text:
        cause, text = Cause.NOT_DATA, "not a ROOT file"
    elif remote:
        cause, text = Cause.UNREACHABLE, f"cannot be read: {type(error).__name__}: {text}"
    else:
        cause, text = Cause.CORRUPT, f"damaged: {type(error).__name__}: {text}"
    return BadFileError(file.path, cause, text[:300])
