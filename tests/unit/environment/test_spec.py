"""The key: what is installed, however it came there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from wq_runner.environment.spec import Installed, Kind, inspect, kind_of


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    found = tmp_path / "env"
    (found / "conda-meta").mkdir(parents=True)
    (found / "lib/python3.11/site-packages").mkdir(parents=True)
    return found


@pytest.fixture
def conda(prefix: Path) -> Callable[..., Path]:
    def add(name: str, version: str = "1.0", build: str = "0", sha256: str = "a") -> Path:
        path = prefix / "conda-meta" / f"{name}-{version}-{build}.json"
        facts = {"name": name, "version": version, "build": build, "sha256": sha256, "files": []}
        path.write_text(json.dumps(facts))
        return path

    return add


@pytest.fixture
def pip(prefix: Path) -> Callable[..., Path]:
    def add(
        name: str, version: str = "1.0", record: str = "x.py,sha256=abc,1\n", installer: str = "pip"
    ) -> Path:
        info = prefix / f"lib/python3.11/site-packages/{name}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n\nVersion: in the text\n")
        (info / "INSTALLER").write_text(installer + "\n")
        (info / "RECORD").write_text(record)
        return info

    return add


def key(prefix: Path) -> str:
    return inspect(prefix, Kind.CONDA).key


def test_the_key_can_be_read(prefix: Path, conda: Callable[..., Path], pip: Callable[..., Path]) -> None:
    conda("python", "3.11.7")
    pip("coffea", "2026.9.0+dirty")
    assert key(prefix).startswith("py311-coffea2026.9.0-")


@pytest.mark.parametrize("change", [{"version": "2"}, {"build": "1"}, {"sha256": "b"}])
def test_version_build_and_hash_count(
    prefix: Path, conda: Callable[..., Path], change: dict[str, str]
) -> None:
    path = conda("python", "3.11.7")
    before = key(prefix)
    path.unlink()
    conda("python", **({"version": "3.11.7"} | change))
    assert key(prefix) != before


def test_files_of_pip_count(prefix: Path, pip: Callable[..., Path]) -> None:
    pip("pkg", record="pkg.py,sha256=abc,1\n../../../bin/pkg,sha256=x,1\n__pycache__/pkg.pyc,,\n")
    before = key(prefix)
    # what depends on the prefix or on the moment does not
    pip("pkg", record="__pycache__/pkg.pyc,,\npkg.py,sha256=abc,1\n../../../bin/pkg,sha256=y,1\n")
    assert key(prefix) == before
    pip("pkg", record="pkg.py,sha256=other,1\n")
    assert key(prefix) != before


def test_order_and_place_do_not_count(tmp_path: Path, prefix: Path, conda: Callable[..., Path]) -> None:
    conda("b")
    conda("a")
    before = key(prefix)
    assert key(prefix.rename(tmp_path / "elsewhere")) == before


def test_conda_packages_are_counted_once(
    prefix: Path, conda: Callable[..., Path], pip: Callable[..., Path]
) -> None:
    conda("pkg")
    pip("pkg", installer="conda")
    assert [str(package) for package in inspect(prefix, Kind.CONDA).packages] == ["pkg 1.0 0"]


def test_a_change_is_noticed_through_the_cache(
    prefix: Path, conda: Callable[..., Path], tmp_path: Path
) -> None:
    cache = tmp_path / "cache" / "known.json"

    def look() -> Installed:
        return inspect(prefix, Kind.CONDA, cache=cache)

    conda("a")
    first = look()
    assert look() == first
    conda("b")
    assert look().key != first.key
    cache.write_text("{broken")
    assert look().key != first.key


def test_kinds(prefix: Path, tmp_path: Path) -> None:
    assert kind_of(prefix) is Kind.CONDA
    assert kind_of(tmp_path) is None
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.2\n")
    assert kind_of(tmp_path) is Kind.VENV
    found = inspect(tmp_path, Kind.VENV)
    assert (found.base_python, found.label) == ("/usr/bin", "py311")
