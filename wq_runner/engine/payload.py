"""What runs on a worker: apply a function to a batch of items, merge, measure, answer in one file.

This file travels to the worker by itself, so it imports nothing of wq_runner, and at its top nothing
but the standard library. A failure of the function is an answer like any other, never a crash: the
manager reads it as data and so can never take it for a failure of the engine.

The function's file is two pickles, one after the other: a preamble (dict) with what has to be in
place first, then the function (dill). The result's file is a magic number, the length of a JSON
header, the header, and two blobs whose lengths and checksums are in the header: the merged result
(lz4 of cloudpickle), and the exceptions (cloudpickle), one list per failure from outermost to cause.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import pickle
import platform
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MAGIC = b"WQR1"
VERSION = 1  # raised when a manager could not read what an older payload wrote

# Failures below these packages while reading are failures of the input, not of the processor.
_READERS = ("uproot", "fsspec", "fsspec_xrootd", "XRootD", "aiohttp", "pyarrow")


def main(function: str, items: str, result: str) -> None:
    """Do one task: three files, beside each other in the task's directory."""
    execute(Path(function), Path(items), Path(result))


def execute(function_file: Path, items_file: Path, result_file: Path) -> None:
    """Read function and items, apply, and write the result's file under its name at once."""
    began = time.time()
    header: dict[str, Any] = {"version": VERSION, "host": platform.node(), "pid": os.getpid()}
    result: Any = None
    exceptions: list[list[BaseException]] = []
    try:
        function = load_function(function_file)
        with items_file.open("rb") as stream:
            items = pickle.load(stream)
    except Exception as error:
        header["failures"] = [_failure(None, error, kind="environment")]
        exceptions.append(_chain(error))
    else:
        header["startup"] = time.time() - began
        result, answer, exceptions = _apply_all(function, items)
        header |= answer
    header["wall"] = time.time() - began
    _write(result_file, header, result, exceptions)


def load_function(path: Path) -> Callable[[Any], Any]:
    """Unpickle the function, once for all tasks of this process."""
    return _load_function(str(path), path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _load_function(path: str, _mtime_ns: int) -> Callable[[Any], Any]:
    import dill

    with Path(path).open("rb") as stream:
        preamble = pickle.load(stream)
        sys.path[:0] = [entry for entry in preamble["paths"] if entry not in sys.path]
        check_versions(preamble["versions"])
        function: Callable[[Any], Any] = dill.load(stream)
    return function


def versions() -> dict[str, str]:
    """Return the versions that must be the same on both sides for pickles to mean the same."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in ("coffea", "dill", "cloudpickle"):
        found[name] = importlib.metadata.version(name)
    return found


def check_versions(wanted: dict[str, str]) -> None:
    here = versions()
    other = [
        f"{name} {here[name]} (manager: {wanted[name]})" for name in wanted if here[name] != wanted[name]
    ]
    if other:
        raise RuntimeError(f"this worker has {', '.join(other)}; both sides need the same")


def _apply_all(
    function: Callable[[Any], Any], items: Sequence[Any]
) -> tuple[Any, dict[str, Any], list[list[BaseException]]]:
    """Apply the function to each item; what fails is left out of the merged result and reported."""
    from coffea.processor import accumulate

    merged: Any = None
    done: list[int] = []
    skipped: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    exceptions: list[list[BaseException]] = []
    measured: list[dict[str, float]] = []
    for index, item in enumerate(items):
        meter = _Meter()
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                out = function(item)
            # merged here, so that a result which cannot be merged is this item's failure
            merged = accumulate([out], merged) if merged is not None else out
        except Exception as error:
            failures.append(_failure(index, error))
            exceptions.append(_chain(error))
            continue
        if out is None:  # coffea's way to skip a bad file
            skipped.append({"index": index, "reason": _skip_reason(caught)})
        else:
            done.append(index)
        measured.append({"index": index, **meter.read()})
    answer = {"done": done, "skipped": skipped, "failures": failures, "measured": measured}
    return merged, answer, exceptions


class _Meter:
    """Measures what one item uses: wall and CPU seconds, peak resident bytes, bytes read."""

    def __init__(self) -> None:
        _reset_peak()
        self._wall, self._cpu, self._read = time.perf_counter(), time.process_time(), _bytes_read()

    def read(self) -> dict[str, float]:
        return {
            "wall": time.perf_counter() - self._wall,
            "cpu": time.process_time() - self._cpu,
            "memory": _peak_bytes(),
            "bytes_read": _bytes_read() - self._read,
        }


def _reset_peak() -> None:
    # proc(5): 5 resets the peak resident set size; refused in some containers, then peaks only grow
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_bytes() -> int:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _bytes_read() -> int:
    try:
        return int(Path("/proc/self/io").read_text().split(maxsplit=2)[1])
    except (OSError, ValueError, IndexError):
        return 0


def _skip_reason(caught: Sequence[warnings.WarningMessage]) -> str:
    texts = [str(warning.message) for warning in caught]
    return next((text for text in texts if "Skipping bad file" in text), "the function returned nothing")


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__
    return chain


def _failure(index: int | None, error: BaseException, kind: str | None = None) -> dict[str, Any]:
    """Describe an exception; `signature` is the same for failures at the same place of the code."""
    chain = _chain(error)
    root = next((link for link in chain if _is_input_error(link)), chain[-1])
    frames = traceback.extract_tb(root.__traceback__)
    own = _below_coffea(frames)
    name = type(root).__name__
    # file names only: the directories are other ones on every worker
    place = "|".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in own[-5:])
    return {
        "index": index,
        "kind": kind or _kind(error, root),
        "type": name,
        "message": str(root),
        "traceback": "".join(traceback.format_list(own)) + f"{name}: {root}",
        "signature": hashlib.sha1(f"{name}|{place}".encode(), usedforsecurity=False).hexdigest()[:12],
    }


def _is_input_error(error: BaseException) -> bool:
    # by name: this file travels without wq_runner
    return any(
        (kind.__module__, kind.__name__) == ("wq_runner.errors", "InputError") for kind in type(error).__mro__
    )


def _kind(error: BaseException, root: BaseException) -> str:
    if isinstance(root, MemoryError):
        return "memory"
    if _is_input_error(root) or str(error).startswith("Failed to open file"):
        return "input"
    own = _below_coffea(traceback.extract_tb(root.__traceback__))
    return "input" if any(_package(frame.filename) in _READERS for frame in own) else "processor"


def _below_coffea(frames: traceback.StackSummary) -> list[traceback.FrameSummary]:
    """Return the frames below coffea's machinery and ours: the processor's own and what it called."""
    last = 0
    for depth, frame in enumerate(frames):
        inside = Path(frame.filename).parts[-3:-1] == ("coffea", "processor")
        if inside or frame.filename == __file__:
            last = depth + 1
    return list(frames[last:]) or list(frames)


def _package(filename: str) -> str:
    parts = Path(filename).parts
    for root in ("site-packages", "dist-packages"):
        if root in parts:
            return parts[parts.index(root) + 1].removesuffix(".py")
    return ""


def _write(
    path: Path, header: dict[str, Any], result: Any, exceptions: Sequence[Sequence[BaseException]]
) -> None:
    import cloudpickle
    import lz4.frame

    try:
        blob = lz4.frame.compress(cloudpickle.dumps(result, protocol=pickle.HIGHEST_PROTOCOL))
    except Exception as error:
        blob = lz4.frame.compress(cloudpickle.dumps(None))
        header["failures"] = [
            *header.get("failures", []),
            *(_failure(index, error, kind="result") for index in header.get("done", [])),
        ]
        exceptions = [*exceptions, *([error] for _ in header.get("done", []))]
        header["done"] = []
    errors = cloudpickle.dumps([[_portable(link) for link in chain] for chain in exceptions])
    header["blobs"] = [{"size": len(data), "checksum": checksum(data)} for data in (blob, errors)]
    head = json.dumps(header).encode()
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as stream:
        stream.write(MAGIC + struct.pack("<Q", len(head)) + head + blob + errors)
    temporary.replace(path)


def _portable(error: BaseException) -> BaseException:
    """Return the exception if it survives pickling, else the nearest built-in one with its text."""
    import cloudpickle

    try:
        restored = pickle.loads(cloudpickle.dumps(error))
    except Exception:
        restored = None
    if isinstance(restored, BaseException):
        return error
    builtin = next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
    try:
        substitute = builtin(f"{type(error).__name__}: {error}")
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return substitute if isinstance(substitute, BaseException) else RuntimeError(str(error))


def checksum(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:4])
