"""A real conda channel on this machine, with the interpreter that runs the tests as its `python`.

There is no other channel that tests could count on. The packages are real ones: py-rattler installs them as
any others, and pip fills what it made.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import io
import json
import os
import platform
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import running

VERSION = platform.python_version()
SHORT = f"{sys.version_info.major}.{sys.version_info.minor}"
SUBDIR = "linux-aarch64" if platform.machine() == "aarch64" else "linux-64"
_NOT_NEEDED = {"test", "idlelib", "turtledemo", "site-packages", "tkinter", "ensurepip", "lib2to3"}
# of the pip packages of this environment, what tasks import, wq-run where a job runs it, and what installs a
# checkout; all of what coffea requires would be twice as large and thrice as many files
FILLING = (
    "coffea", "awkward", "awkward-cpp", "boost-histogram", "cachetools", "correctionlib", "cramjam",
    "fsspec", "hist", "histoprint", "importlib-metadata", "llvmlite", "loky", "numba", "numpy",
    "packaging", "psutil", "scipy", "typing-extensions", "uhi", "uproot", "vector", "xxhash", "zipp",
    "dill", "cloudpickle", "lz4", "click", "filelock", "gitpython", "gitdb", "smmap", "msgspec",
    "platformdirs", "pyyaml", "rich", "markdown-it-py", "mdurl", "pygments", "setuptools", "lazy-importer"
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of a package: `link` is where a symbolic link points, `has_prefix` if it names its prefix."""

    target: str
    content: bytes = b""
    link: str = ""
    mode: int = 0o644
    has_prefix: bool = False

    @classmethod
    def of(cls, path: Path, target: str, *, has_prefix: bool = False) -> File:
        if path.is_symlink():
            return cls(target=target, link=str(path.readlink()))
        mode = 0o755 if os.access(path, os.X_OK) else 0o644
        return cls(target=target, content=path.read_bytes(), mode=mode, has_prefix=has_prefix)


def write_channel(root: Path) -> str:
    """Write a channel of python and pip, and return its URL."""
    if "posix_local" in sysconfig.get_scheme_names():
        pytest.skip("Debian's own Python looks for packages where a conda environment has none")
    add_package(root, "python", VERSION, _interpreter())
    add_package(root, "pip", importlib.metadata.version("pip"), _installed("pip"), depends=["python"])
    return index(root)


def index(root: Path) -> str:
    from rattler.index import index_fs

    asyncio.run(index_fs(root))
    return root.as_uri()


def add_package(
    root: Path, name: str, version: str, files: Iterable[File], *, depends: Sequence[str] = ()
) -> Path:
    """Add a package to the channel; it is found after the next `index`."""
    directory = root / SUBDIR
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}-{version}-0.tar.bz2"
    paths = []
    with tarfile.open(path, "w:bz2", compresslevel=1) as tar:
        for file in files:
            _add(tar, file)
            paths.append(_entry(file))
        about = {
            "name": name,
            "version": version,
            "build": "0",
            "build_number": 0,
            "depends": list(depends),
            "subdir": SUBDIR,
        }
        _add(tar, File(target="info/index.json", content=json.dumps(about).encode()))
        content = json.dumps({"paths": paths, "paths_version": 1}).encode()
        _add(tar, File(target="info/paths.json", content=content))
    return path


def _add(tar: tarfile.TarFile, file: File) -> None:
    member = tarfile.TarInfo(file.target)
    member.mode = file.mode
    if file.link:
        member.type = tarfile.SYMTYPE
        member.linkname = file.link
        tar.addfile(member)
    else:
        member.size = len(file.content)
        tar.addfile(member, io.BytesIO(file.content))


def _entry(file: File) -> dict[str, object]:
    entry: dict[str, object] = {
        "_path": file.target,
        "path_type": "softlink" if file.link else "hardlink",
        "sha256": hashlib.sha256(file.content).hexdigest(),
        "size_in_bytes": len(file.content),
    }
    return entry | ({"prefix_placeholder": sys.base_prefix, "file_mode": "text"} if file.has_prefix else {})


def spec() -> str:
    """Return a list of packages that is enough for a processor, in the versions that are here."""
    pins = [f"      - {name}=={importlib.metadata.version(name)}\n" for name in FILLING]
    head = f"channels: [nodefaults]\ndependencies:\n  - python {VERSION}\n  - pip\n  - pip:\n"
    return "".join([head, *pins])


def constraints() -> str:
    """Return the versions that are here of whatever else pip may choose."""
    here: dict[str, str] = {}
    for one in importlib.metadata.distributions():
        # what is found first is what is imported: setuptools puts copies of its own behind
        here.setdefault(one.name.lower(), one.version)
    return "".join(f"{name}=={version}\n" for name, version in here.items() if name != "wq-runner")


def run(*command: object) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        list(map(str, command)),
        env=env,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def _interpreter() -> Iterator[File]:
    base = Path(sys.base_prefix)
    program = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    yield File(target=f"bin/python{SHORT}", content=_movable(program), mode=0o755)
    for name in ("python", "python3"):
        yield File(target=f"bin/{name}", link=f"python{SHORT}")
    for path in sorted((base / "lib").glob("libpython3*.so*")):
        yield File.of(path, f"lib/{path.name}")
    stdlib = Path(sysconfig.get_path("stdlib"))
    for path in sorted(stdlib.rglob("*")):
        parts = path.relative_to(stdlib).parts
        if (
            parts[0] in _NOT_NEEDED
            or parts[0].startswith("config-")
            or "__pycache__" in parts
            or path.is_dir()
        ):
            continue
        has_prefix = path.name.startswith("_sysconfigdata")
        yield File.of(path, f"lib/python{SHORT}/{'/'.join(parts)}", has_prefix=has_prefix)


def _movable(program: Path) -> bytes:
    """Let the interpreter find its library beside itself, not where it was built."""
    content = program.read_bytes()
    old = f"{sys.base_prefix}/lib\0".encode()
    return content.replace(old, b"$ORIGIN/../lib".ljust(len(old), b"\0"))


def _installed(name: str) -> Iterator[File]:
    for file in importlib.metadata.files(name) or ():
        if ".." not in file.parts and file.suffix != ".pyc" and file.name != "RECORD":
            yield File.of(Path(str(file.locate())), f"lib/python{SHORT}/site-packages/{file}")


def wq_run_beside(directory: Path) -> str:
    """Make an environment that has what that of the tests has, and room for a checkout; return its wq-run."""
    prefix = directory / "here"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    site_packages = Path(sysconfig.get_path("purelib", vars={"base": str(prefix)}))
    (site_packages / "others.pth").write_text(
        f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    )
    script = Path(running.program("wq-run")).read_text().partition("\n")[2]
    path = prefix / "bin" / "wq-run"
    path.write_text(f"#!{path.with_name('python')}\n{script}")
    path.chmod(0o755)
    return str(path)
