"""Packages are known by what is in them: the same version may be another package."""

from __future__ import annotations

import base64
import hashlib
import importlib
import os
import sys
import time
from pathlib import Path

import pytest

from wq_runner.environment import remembered
from wq_runner.fingerprint import packages


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "site-packages"
    place.mkdir()
    monkeypatch.setattr(sys, "path", [str(place)])
    kept = remembered.Remembered(tmp_path / "remembered")
    monkeypatch.setattr(packages, "remembered", lambda: kept)
    return place


def install(site: Path, text: str, origin: str = "/a") -> None:
    metadata = site / "tiny_wq-1.0.dist-info"
    metadata.mkdir(exist_ok=True)
    (site / "tiny_wq.py").write_text(text)
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    lines = [
        f"tiny_wq.py,sha256={digest},{len(text)}",
        "__pycache__/tiny_wq.cpython-311.pyc,,",
        f"tiny_wq-1.0.dist-info/direct_url.json,sha256={origin},10",
        f"../../../bin/tiny,sha256={origin},10",
        "tiny_wq-1.0.dist-info/RECORD,,",
    ]
    (metadata / "RECORD").write_text("\n".join(lines) + "\n")


def test_installed_again_with_other_files(site: Path) -> None:
    install(site, "x = 1\n")
    first = packages.installed_packages()
    install(site, "x = 2\n")
    assert packages.installed_packages() != first


def test_installed_again_from_elsewhere(site: Path) -> None:
    install(site, "x = 1\n")
    first = packages.installed_packages()
    install(site, "x = 1\n", origin="/b")
    assert packages.installed_packages() == first


def test_edited_where_it_is_installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "x = 1\n")
    importlib.invalidate_caches()
    monkeypatch.setitem(sys.modules, "tiny_wq", importlib.import_module("tiny_wq"))
    before = time.time() - 100
    os.utime(site / "tiny_wq-1.0.dist-info" / "RECORD", (before, before))
    assert packages.edited_files() == {}  # newer, but what was installed
    (site / "tiny_wq.py").write_text("x = 3\n")
    assert list(packages.edited_files()) == ["tiny_wq.py"]


def test_damage_of_what_is_remembered_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "remembered"
    assert remembered.Remembered(path).get("key", lambda: "value") == "value"
    assert remembered.Remembered(path).get("key", lambda: "other") == "value"
    path.write_text(path.read_text().replace("value", "valve"))
    assert remembered.Remembered(path).get("key", lambda: "value") == "value"
