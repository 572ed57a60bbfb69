"""Distributions built as for a release, and an environment with one of them and without the engine."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import nanoaod
import pytest
from packages.making import Built, Clean, build

# what must not come from the environment of the tests: the engine, and this clone
_OURS = ("ndcctools", "wq_runner", "_wq_runner", "__editable__", "_editable_impl_wq_runner")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    place = tmp_path_factory.mktemp("built")
    [sdist] = build(nanoaod.ROOT, place / "sdist", "--sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(place / "away", filter="data")
    [unpacked] = (place / "away").iterdir()  # no git here
    [wheel] = build(unpacked, place / "wheel", "--wheel")
    return Built(sdist=sdist, wheel=wheel, unpacked=unpacked)


@pytest.fixture(scope="session")
def clean(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """Install the wheel. Its requirements are linked: no network, and `test_metadata` checks their names."""
    found = Clean(prefix=tmp_path_factory.mktemp("clean") / "venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", found.prefix], check=True)
    for name in ("purelib", "platlib"):
        for path in Path(sysconfig.get_path(name)).iterdir():
            link = found.site_packages / path.name
            if not path.name.startswith(_OURS) and path.suffix != ".pth" and not link.is_symlink():
                link.symlink_to(path)
    pip = [sys.executable, "-m", "pip", "--python", str(found.prefix / "bin" / "python"), "install"]
    pip += ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*pip, str(built.wheel)], check=True)
    assert shutil.which("wq-run", path=found.prefix / "bin")
    return found
