"""Reading on the manager what `payload` wrote on a worker."""

from __future__ import annotations

import itertools
import json
import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from wq_runner.engine import payload


class Kind(str, Enum):
    """What a failure inside the payload was about."""

    INPUT = "input"
    PROCESSOR = "processor"
    MEMORY = "memory"
    RESULT = "result"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An exception on a worker. `index` is the item's place in the batch, None if none was reached."""

    index: int | None
    kind: Kind
    type: str
    message: str
    traceback: str
    signature: str

    @property
    def summary(self) -> str:
        first, *_ = self.message.strip().splitlines() or [""]
        return f"{self.type}: {first}" if first else self.type


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one item used: seconds, and bytes."""

    index: int
    wall: float
    cpu: float
    memory: int
    bytes_read: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The header of a result's file: which items of the batch are in the result, which are not, and why."""

    host: str
    wall: float
    startup: float
    done: tuple[int, ...]
    skipped: Mapping[int, str]
    failures: tuple[Failure, ...]
    measured: tuple[Measurement, ...]


class DamagedResultError(Exception):
    """A result's file that is cut, altered, or not one at all."""


def read_answer(path: Path) -> Answer:
    """Read the header and check the whole file against it.

    Raises
    ------
    DamagedResultError
        If any part is missing or not what was written.
    OSError
        If the file cannot be read.
    """
    header, _ = _read(path)
    return Answer(
        host=header["host"],
        wall=header["wall"],
        startup=header.get("startup", 0.0),
        done=tuple(header.get("done", ())),
        skipped={entry["index"]: entry["reason"] for entry in header.get("skipped", ())},
        failures=tuple(
            Failure(**{**entry, "kind": Kind(entry["kind"])}) for entry in header.get("failures", ())
        ),
        measured=tuple(Measurement(**entry) for entry in header.get("measured", ())),
    )


def read_result(path: Path) -> Any:
    """Return the merged result of the items that were done."""
    import lz4.frame

    _, (blob, _) = _read(path)
    return pickle.loads(lz4.frame.decompress(blob))


def read_exceptions(path: Path) -> list[BaseException]:
    """Return the exception of each failure, linked to its causes as it was on the worker."""
    _, (_, blob) = _read(path)
    chains: list[list[BaseException]] = pickle.loads(blob)
    for chain in chains:
        for outer, cause in itertools.pairwise(chain):
            outer.__cause__ = cause
    return [chain[0] for chain in chains]


def _read(path: Path) -> tuple[dict[str, Any], list[bytes]]:
    data = path.read_bytes()
    start = len(payload.MAGIC) + 8
    if data[: len(payload.MAGIC)] != payload.MAGIC or len(data) < start:
        raise DamagedResultError(f"{path.name} is not a result")
    (length,) = struct.unpack("<Q", data[len(payload.MAGIC) : start])
    try:
        header = json.loads(data[start : start + length])
    except ValueError as error:
        raise DamagedResultError(f"{path.name} is cut or altered") from error
    blobs: list[bytes] = []
    offset = start + length
    for entry in header["blobs"]:
        blob = data[offset : offset + entry["size"]]
        if payload.checksum(blob) != entry["checksum"]:
            raise DamagedResultError(f"{path.name} is cut or altered")
        blobs.append(blob)
        offset += entry["size"]
    return header, blobs
