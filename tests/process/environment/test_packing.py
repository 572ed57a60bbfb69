"""Archives of environments: all that is installed, nothing editable, and an error when the disk is full."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from wq_runner.environment import base, packing, smoke
from wq_runner.environment.base import Base, venv_hint
from wq_runner.environment.editables import find_editables
from wq_runner.environment.spec import Installed, Kind
from wq_runner.environment.store import Store
from wq_runner.errors import UsageError, WorkerEnvironmentError


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with a package and an editable one."""
    prefix = tmp_path_factory.mktemp("venv") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    (site,) = {path.resolve() for path in prefix.glob("lib*/python3*/site-packages")}
    for name, extra in (("plain", {}), ("mine", {"dir_info": {"editable": True}})):
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text(f"{name}.pth,,\n" if extra else "plain.py,sha256=x,1\n")
        if extra:
            (info / "direct_url.json").write_text(json.dumps({"url": "file:///somewhere", **extra}))
    (site / "plain.py").write_text("VALUE = 'packed'\n")
    (site / "mine.pth").write_text("/somewhere\n")
    (site / "mixed.pth").write_text("/somewhere/else\nimport os\nsub\n")
    (site / "old.egg-link").write_text("/somewhere\n")
    (prefix / "bin" / "tool").write_text(f"#!{prefix}/bin/python\nprint('tool')\n")
    (prefix / "bin" / "tool").chmod(0o755)
    return prefix


def test_a_virtual_environment(venv: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    archive = tmp_path / "base.tar.gz"
    editables = find_editables(venv)
    without = [path for editable in editables for path in editable.files]
    packing.pack(venv, Kind.VENV, archive, leave_out=without, progress=lambda *numbers: told.append(numbers))
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "-xzf", archive, "-C", out], check=True)
    names = {path.name for path in out.rglob("*")}
    assert "plain.py" in names
    assert not names & {"mine.pth", "mine-1.0.dist-info", "old.egg-link"}
    (mixed,) = out.glob("lib/python3*/site-packages/mixed.pth")
    assert mixed.read_text() == "import os\nsub\n"
    done = subprocess.run(
        [out / "bin/python", "-c", "import plain, sys; print(plain.VALUE, sys.prefix)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"packed {out}\n"
    assert (out / "bin/tool").read_text().startswith("#!/usr/bin/env python\n")
    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1] > 5


def test_many_blocks_make_one_file(tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "large").write_bytes(bytes(range(256)) * 40_000)
    packing.pack(prefix, Kind.CONDA, tmp_path / "base.tar.gz")
    with tarfile.open(tmp_path / "base.tar.gz") as tar:
        member = tar.extractfile("large")
        assert member is not None
        assert member.read() == (prefix / "large").read_bytes()
        assert "bin/conda-unpack" in tar.getnames()


@pytest.mark.parametrize("kind", [Kind.VENV, Kind.CONDA])
def test_a_file_with_two_names(tmp_path: Path, kind: Kind) -> None:
    """As a package may have it, whose files come out of a cache by hard links."""
    prefix = tmp_path / "env"
    for directory in ("bin", "conda-meta", "lib/python3.11/site-packages"):
        (prefix / directory).mkdir(parents=True)
    (prefix / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (prefix / "bin/python").symlink_to(sys.executable)
    names = [f"{place}/{name}" for place in ("bin", "conda-meta") for name in ("tool", "tool-3")]
    for name in names:
        if name.endswith("3"):
            (prefix / name).hardlink_to(prefix / name.removesuffix("-3"))
        else:
            (prefix / name).write_text(f"#!{prefix}/bin/python\nprint('tool')\n")
    packing.pack(prefix, kind, tmp_path / "base.tar.gz")
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "-xzf", tmp_path / "base.tar.gz", "-C", out], check=True)
    assert all("print('tool')" in (out / name).read_text() for name in names)


def test_a_full_disk(venv: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        packing.pack(venv, Kind.VENV, Path("/dev/full"))


def test_a_full_disk_leaves_nothing(venv: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = packing.pack

    def full(prefix: Path, kind: Kind, archive: Path, **rest: object) -> None:
        archive.symlink_to("/dev/full")
        whole(prefix, kind, archive, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(packing, "pack", full)
    with pytest.raises(WorkerEnvironmentError, match="No space left") as caught:
        base.pack(base.look(venv, store), store)
    assert (caught.value.exit_code, store.entries()) == (4, [])


def test_files_of_conda_that_are_gone(tmp_path: Path, store: Store) -> None:
    prefix = tmp_path / "env"
    (prefix / "conda-meta").mkdir(parents=True)
    facts = {
        "name": "x",
        "version": "1",
        "build": "0",
        "files": ["lib/x"],
        "link": {"source": str(tmp_path / "gone")},
    }
    facts["url"] = "file:///channel/x-1-0.conda"
    facts["paths_data"] = {"paths": [{"_path": "lib/x", "path_type": "hardlink"}], "paths_version": 1}
    (prefix / "conda-meta/x-1-0.json").write_text(json.dumps(facts))
    with pytest.raises(WorkerEnvironmentError, match="cannot be packed") as caught:
        base.pack(base.look(prefix, store), store)
    assert "lib/x" in caught.value.message
    assert store.entries() == []


def test_a_base_that_does_not_work_is_not_kept(venv: Path, store: Store) -> None:
    """The small environment has no coffea: found out before it has a name."""
    with pytest.raises(WorkerEnvironmentError, match=r"coffea \(missing\) there"):
        base.pack(base.look(venv, store), store)
    assert store.entries() == []
    assert list(store.unpacked.glob("*/bin")) == []


def test_a_virtual_environment_deserves_a_warning(venv: Path, tmp_path: Path) -> None:
    found = Installed(prefix=venv, kind=Kind.VENV, packages=(), base_python="/opt/python/bin")
    assert venv_hint(found).endswith("workers need /opt/python/bin/python3")
    assert venv_hint(Installed(prefix=venv, kind=Kind.CONDA, packages=())) == ""


def test_a_bare_interpreter(tmp_path: Path, store: Store) -> None:
    with pytest.raises(WorkerEnvironmentError, match="neither a conda environment nor a virtual one"):
        base.look(tmp_path, store)


def test_archives_of_others(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tested: list[Path] = []

    def tries(archive: Path, *_: object) -> int:
        tested.append(archive)
        return 5

    monkeypatch.setattr(smoke, "try_base", tries)

    def take(text: str) -> Base:
        (tmp_path / "theirs.tar.zst").write_text(text)
        return base.from_tarball(tmp_path / "theirs.tar.zst", store)

    first = take("one")
    assert (first.key.startswith("theirs-"), first.suffix, first.size) == (True, ".tar.zst", 3)
    assert take("one").key == first.key
    assert take("another").key != first.key
    assert len(tested) == 2
    (tmp_path / "theirs.rar").write_text("")
    with pytest.raises(UsageError, match="no archive of an environment"):
        base.from_tarball(tmp_path / "theirs.rar", store)
