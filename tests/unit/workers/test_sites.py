"""Sites: presets, the user's own, and those of installed packages."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from wq_runner.errors import UsageError
from wq_runner.workers import sites
from wq_runner.workers.catalog import Address
from wq_runner.workers.factory import FactorySettings
from wq_runner.workers.sites import Site

PRESETS = ("lxplus", "lpc", "cmsconnect", "casa", "nd-crc", "generic-condor", "generic-slurm")


def settings(system: str) -> FactorySettings:
    return FactorySettings(system=system, name="me", catalog=Address(host="127.0.0.1"), count=1)


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "wq-runner").mkdir()
    return tmp_path / "wq-runner"


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name: str) -> None:
    site = sites.find(name)
    found = sites.applied(site, settings(site.system))
    assert found.memory == site.memory > 0
    assert dict(sites.described(site))["system"] in {"condor", "slurm"}


def test_the_queue_is_named_as_the_batch_system_wants_it() -> None:
    assert sites.batch_options(sites.find("lxplus")) == '+JobFlavour = "workday"'
    mine = Site(name="mine", system="slurm", queue="long", batch_options="--account=me")
    assert sites.batch_options(mine) == "--partition=long --account=me"


def test_another_batch_system() -> None:
    with pytest.raises(UsageError, match="lxplus has condor, not slurm"):
        sites.applied(sites.find("lxplus"), settings("slurm"))


def test_an_unknown_one() -> None:
    with pytest.raises(UsageError, match=r"there is no site lxpuls. Did you mean lxplus\?"):
        sites.find("lxpuls")


def test_ones_own_file(config: Path) -> None:
    (config / "sites.yaml").write_text("mine: {system: slurm, memory: 16GB, queue: long, notes: [a, b]}\n")
    site = sites.find("mine")
    assert (site.memory, site.queue, site.notes) == (16 * 2**30, "long", ("a", "b"))
    assert site.origin == str(config / "sites.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mine: {system: pbs}", "mine needs a system, condor or slurm"),
        ("mine: {system: slurm, memry: 3}", "mine has no memry; nearest: memory"),
        ("mine: {system: slurm, memory: much}", "mine: "),
        ("- a", "is not a mapping of sites"),
        ("{", "cannot be read"),
    ],
)
def test_mistakes_in_it(config: Path, text: str, said: str) -> None:
    (config / "sites.yaml").write_text(text)
    with pytest.raises(UsageError, match=said):
        sites.known()


def install(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "installed"
    info = package / "ourfarm-1.dist-info"
    info.mkdir(parents=True)
    (package / "ourfarm.py").write_text(code)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ourfarm\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[wq_runner.sites]\nourfarm = ourfarm:site\n")
    monkeypatch.syspath_prepend(package)
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, "ourfarm", raising=False)


def test_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from wq_runner.workers.sites import Site\n"
        "def site():\n"
        "    return Site(name='ourfarm', system='condor', memory=3_000_000_000)\n"
    )
    install(code, tmp_path, monkeypatch)
    found = sites.find("ourfarm")
    assert (found.memory, found.origin) == (3_000_000_000, "ourfarm:site")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("site = 5\n", "ourfarm:site of wq_runner.sites is int: neither a Site, nor has it start, scale,"),
        ("", "cannot be loaded: AttributeError"),
        ("def site():\n    raise OSError('no farm')\n", "cannot be loaded: OSError: no farm"),
    ],
)
def test_an_entry_point_that_is_none(
    code: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(code, tmp_path, monkeypatch)
    with pytest.raises(UsageError, match=said):
        sites.known()
