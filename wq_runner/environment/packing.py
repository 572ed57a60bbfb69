"""Making the archive of a base layer: conda-pack and venv-pack decide what goes in, we write it.

The archive is a tar.gz, because tar and gzip are wherever a worker is. It is compressed by as many threads as
there are cores; and unlike in conda-pack, a disk that is full ends it with an error.
"""

from __future__ import annotations

import os
import time
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from wq_runner.environment.editables import pth_directories
from wq_runner.environment.spec import Kind, site_packages
from wq_runner.errors import WorkerEnvironmentError

LEVEL = 4  # as conda-pack: 6 takes half as long again for 2% less
_BLOCK = 1 << 20

Progress = Callable[[int, int], None]
"""Told how many files are done, and of how many."""


def quiet(*_: object) -> None:
    """Tell nobody."""


def pack(
    prefix: Path,
    kind: Kind,
    archive: Path,
    *,
    leave_out: Sequence[Path] = (),
    progress: Progress = quiet,
    say: Callable[[str], None] = quiet,
) -> None:
    """Pack the environment at `prefix` without the files `leave_out`.

    Links in packages that lead out of the environment are told to `say`: a worker has nothing there.

    Raises
    ------
    WorkerEnvironmentError
        If it cannot be packed, as when pip has overwritten files of conda.
    OSError
        If the archive cannot be written.
    """
    from conda_pack import CondaPackException
    from venv_pack.core import VenvPackException

    try:
        with archive.open("wb") as stream, _ParallelGzip(stream) as compressed:
            tar = _archive(compressed)
            with tar:
                files, packer = _conda(prefix, tar) if kind is Kind.CONDA else _venv(prefix, tar)
                wanted = list(_wanted(files, prefix, leave_out))
                for link, real in _leading_out(wanted, prefix):
                    say(f"warning: not shipped: {real}, to which {link} leads; copy it into the environment")
                for number, file in enumerate(wanted):
                    _add(packer, tar, file, prefix)
                    if number % 100 == 0:
                        progress(number, len(wanted))
                packer.finish()
            progress(len(wanted), len(wanted))
    except (CondaPackException, VenvPackException) as error:
        raise WorkerEnvironmentError(f"{prefix} cannot be packed: {error}") from error
    except (KeyError, ValueError) as error:  # how these tools meet metadata that they do not know
        raise WorkerEnvironmentError(f"{prefix} cannot be packed: {type(error).__name__} {error}") from error


def _archive(stream: Any) -> Any:
    """Return an archive in which a file whose content is given is a file, also where it has a second name.

    conda-pack's makes a link of that, with the content behind it, at which tar stops.
    """
    from conda_pack.formats import TarArchive

    class Archive(TarArchive):  # type: ignore[misc]
        def _add_bytes(self, source: str, sourcebytes: bytes, target: str) -> None:
            self.archive.inodes.clear()
            super()._add_bytes(source, sourcebytes, target)

    return Archive(stream, "", mode="w", mtime=int(time.time()))


def _conda(prefix: Path, tar: Any) -> tuple[list[Any], Any]:
    from conda_pack.core import Packer, load_environment

    with warnings.catch_warnings():
        # without the package cache, files are taken for pip's and searched for the prefix: it is enough
        warnings.simplefilter("ignore")
        files = load_environment(str(prefix), on_missing_cache="ignore", ignore_editable_packages=True)
    return files, Packer(str(prefix), tar)


def _venv(prefix: Path, tar: Any) -> tuple[list[Any], Any]:
    from venv_pack.core import File, Packer, check_prefix

    context = check_prefix(str(prefix))
    replaced = {f"bin/{name}" for name in ("activate", "activate.csh", "activate.fish")} | {"pyvenv.cfg"}
    files = []
    for root, directories, names in os.walk(prefix):
        links = [name for name in directories if (Path(root) / name).is_symlink()]
        for name in (*names, *links):
            target = os.path.relpath(os.path.join(root, name), prefix)  # noqa: PTH118 - as it is, unresolved
            if target not in replaced:
                files.append(File(str(prefix / target), target))
    return files, Packer(context, tar, None)


def _wanted(files: Iterable[Any], prefix: Path, leave_out: Sequence[Path]) -> Iterable[Any]:
    resolved = prefix.resolve()
    # a link goes by its own name
    places = (path.parent.resolve() / path.name for path in leave_out)
    without = {str(path.relative_to(resolved)) for path in places if path.is_relative_to(resolved)}
    for file in sorted(files, key=lambda one: one.target):
        parents = {file.target, *(str(parent) for parent in Path(file.target).parents)}
        if not parents & without and not file.target.endswith((".egg-link", "~")):
            yield file


def _leading_out(files: Iterable[Any], prefix: Path) -> Iterable[tuple[Path, Path]]:
    for path in (Path(file.source) for file in files if "site-packages/" in file.target):
        if path.is_symlink() and not (real := path.resolve()).is_relative_to(prefix.resolve()):
            yield path, real


def _add(packer: Any, tar: Any, file: Any, prefix: Path) -> None:
    if file.target.endswith(".pth") and Path(file.source).parent.resolve() in site_packages(prefix):
        # a worker has none of the directories outside of the environment
        tar.add_bytes(file.source, _own_lines(Path(file.source), prefix), file.target)
    elif getattr(file, "file_mode", None) == "unknown" and Path(file.source).is_file():
        # conda-pack has every text file searched for the prefix again where it is unpacked, which takes
        # longer than to unpack it; most do not have it
        content = Path(file.source).read_bytes()
        if os.fsencode(prefix) in content or Path(file.source).is_symlink():
            packer.add(file)
        else:
            tar.add_bytes(file.source, content, file.target)
    else:
        packer.add(file)


def _own_lines(pth: Path, prefix: Path) -> bytes:
    outside = [path for path in pth_directories(pth) if not path.is_relative_to(prefix.resolve())]
    lines = pth.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
    own = [line for line in lines if (pth.parent / line.strip()).resolve() not in outside]
    return "".join(own).encode("utf-8", errors="surrogateescape")


class _ParallelGzip:
    """A gzip file made of independently compressed members, one a block, in order.

    `zlib` releases the interpreter's lock, so threads are enough. An error of writing is raised at the
    next write.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._threads = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._threads)
        self._waiting: deque[Future[bytes]] = deque()
        self._block = bytearray()
        self._size = 0

    def __enter__(self) -> _ParallelGzip:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._compress()
                while self._waiting:
                    self._stream.write(self._waiting.popleft().result())
        finally:
            self._pool.shutdown(cancel_futures=True)

    def tell(self) -> int:
        return self._size

    def write(self, data: bytes) -> int:
        self._block += data
        self._size += len(data)
        if len(self._block) >= _BLOCK:
            self._compress()
        return len(data)

    def _compress(self) -> None:
        if self._block:
            self._waiting.append(self._pool.submit(_member, bytes(self._block)))
            self._block = bytearray()
        while len(self._waiting) > 2 * self._threads:
            self._stream.write(self._waiting.popleft().result())


def _member(block: bytes) -> bytes:
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)  # 31: with the header and trailer of gzip
    return compressor.compress(block) + compressor.flush()
