"""What is released: complete, made outside of git as well, and of use where there is no engine."""

from __future__ import annotations

import email
import hashlib
import subprocess
import tarfile
import zipfile
from pathlib import Path

import nanoaod
from packages.making import Built, Clean, build

DIMUON = nanoaod.ROOT / "examples" / "dimuon"


def tracked(*places: str) -> set[str]:
    """Return the files of git below some places."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *places], cwd=nanoaod.ROOT, capture_output=True, text=True, check=True
    )
    return {name for name in listed.stdout.split("\0") if name and (nanoaod.ROOT / name).exists()}


def members(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {one.name.partition("/")[2] for one in archive if not one.isdir()}


def test_the_source_distribution_has_all_but_the_bindings(built: Built) -> None:
    wanted = {
        name for name in tracked() if not name.startswith(("bindings/", ".ci/", ".github/", ".pre-commit"))
    }
    assert members(built.sdist) == wanted | {"PKG-INFO"}


def test_the_wheel_has_the_package_and_the_pages_of_errors(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert archive.read("wq_runner/errors.md") == (nanoaod.ROOT / "docs" / "errors.md").read_bytes()
        [licence] = [name for name in archive.namelist() if name.endswith("LICENSE")]
        assert archive.read(licence) == (nanoaod.ROOT / "LICENSE").read_bytes()
    assert names == tracked("wq_runner")


def test_a_version_made_outside_of_git_is_the_same(built: Built) -> None:
    assert built.sdist.name.removesuffix(".tar.gz") == built.wheel.name.removesuffix("-py3-none-any.whl")
    assert not (built.unpacked / ".git").exists()


def test_the_same_content_is_the_same_wheel(built: Built, tmp_path: Path) -> None:
    [again] = build(built.unpacked, tmp_path / "again", "--wheel")
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(built.wheel.read_bytes()).digest()


def test_the_bindings_are_a_distribution_of_their_own(tmp_path: Path) -> None:
    source = tmp_path / "bindings"
    for name in tracked("bindings"):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((nanoaod.ROOT / name).read_bytes())
    [sdist] = build(source, tmp_path / "dist", "--sdist")
    assert {name.removeprefix("bindings/") for name in tracked("bindings")} <= members(sdist)
    with tarfile.open(sdist) as archive:
        [info] = [
            one for one in archive.getmembers() if one.name.count("/") == 1 and one.name.endswith("PKG-INFO")
        ]
        stream = archive.extractfile(info)
        assert stream is not None
        metadata = email.message_from_bytes(stream.read())
    assert (metadata["Name"], metadata["License-Expression"]) == ("ndcctools-debian", "GPL-2.0-or-later")


def test_without_the_engine_commands_explain_themselves(clean: Clean, tmp_path: Path) -> None:
    assert clean.run("python", "-c", "import ndcctools", cwd=tmp_path).returncode == 1
    for name in ("wq-run", "wq-samples", "wq-env", "wq-workers", "wq-status", "wq-report"):
        shown = clean.run(name, "--help", cwd=tmp_path)
        assert (shown.returncode, shown.stderr) == (0, "")
    where = clean.run("python", "-c", "import wq_runner; print(wq_runner.__file__)", cwd=tmp_path)
    assert str(clean.prefix) in where.stdout
    assert "## No workers" in clean.run("wq-run", "explain", "no-workers", cwd=tmp_path).stdout


def test_without_the_engine_a_run_says_how_to_get_it(
    clean: Clean, dimuon_samples: Path, tmp_path: Path
) -> None:
    options = ("--wait-time", "20", "--catalog", "none", "--environment", "shared")
    ended = clean.run("wq-run", *options, dimuon_samples, cwd=tmp_path)
    assert ended.returncode == 5, ended.stderr
    assert "error: the engine is not installed: No module named 'ndcctools'" in ended.stderr
    assert "conda install -c conda-forge 'ndcctools<8'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_the_engine_this_process_does_it(clean: Clean, dimuon_samples: Path, tmp_path: Path) -> None:
    options = ("-e", "iterative", "-p", f"{DIMUON / 'processor.py'}:Dimuon", "-o", "out")
    ended = clean.run("wq-run", *options, dimuon_samples, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "out" / "output.coffea").exists()
    shown = clean.run("wq-run", "--version", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
