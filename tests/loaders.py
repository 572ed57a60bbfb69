"""A worker's program whose loader refuses it, as where a library that it needs is missing."""

from __future__ import annotations

from pathlib import Path

from wq_runner.workers.local import find_program

LACKS = "libq.so.1"  # what it wants instead of libz
SAID = (
    f"error while loading shared libraries: {LACKS}: cannot open shared object file: "
    "No such file or directory"
)


def make_broken(directory: Path) -> Path:
    """Write the engine's own program there, but that it needs a library that nobody has."""
    real = Path(find_program()).read_bytes()
    assert real.count(b"libz.so.1\0") == 1
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "work_queue_worker"
    path.write_bytes(real.replace(b"libz.so.1\0", f"{LACKS}\0".encode()))
    path.chmod(0o755)
    return path
