"""The formats in which a result is written: each is one value, and a new one is written down here."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

WHOLE = "output"
"""The name of the file with everything, and of what is written there."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """How a result is written: the same result is the same file, to the last bit.

    `name` is that of the option which asks for it, `words` are in its help. `write` may raise whatever the
    value does that cannot be written.
    """

    name: str
    suffix: str
    write: Callable[[Any, IO[bytes]], None]
    words: str = ""


def _write_coffea(value: Any, stream: IO[bytes]) -> None:
    import cloudpickle
    import lz4.frame

    # checksums of blocks, since whoever unpickles may not read to the end
    with lz4.frame.open(stream, "wb", block_checksum=True, content_checksum=True) as packed:
        cloudpickle.dump(value, packed)


def _write_pickle(value: Any, stream: IO[bytes]) -> None:
    import cloudpickle

    # no name and no time inside
    with gzip.GzipFile("", "wb", fileobj=stream, mtime=0) as packed:
        cloudpickle.dump(value, packed)


COFFEA = Format(name="coffea", suffix=".coffea", write=_write_coffea)
"""What is always written, and read by `wq-report` and `wq_runner.run`."""

PICKLE = Format(name="pkl_gz", suffix=".pkl.gz", write=_write_pickle, words="a gzipped pickle")

ALSO: Mapping[str, Format] = {one.name: one for one in (PICKLE,)}
"""What is written beside, if its option says so."""

FORMATS = (COFFEA, *ALSO.values())

FILES_OF_ALL = tuple(f"{WHOLE}{one.suffix}" for one in FORMATS)
"""What the file with everything may be called."""


def chosen(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the formats that options ask for beside the first."""
    return tuple(name for name in ALSO if options.get(name))
