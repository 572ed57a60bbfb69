"""Which X509 proxy tasks get, and what is said of it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import certificates
import pytest
from rich.console import Console

from wq_runner.config.options import RunOptions
from wq_runner.config.resolved import resolve
from wq_runner.config.settings import ProxySettings
from wq_runner.errors import UsageError
from wq_runner.executors import proxies
from wq_runner.model import Dataset, Fileset, InputFile
from wq_runner.planning import redirects
from wq_runner.workers import proxy
from wq_runner.workers.proxy import Courier, Proxy

HOUR = 3600.0
REMOTE: Fileset = (Dataset(name="a", files=(InputFile(path="root://a.example//store/x"),)),)
LOCAL: Fileset = (Dataset(name="a", files=(InputFile(path="/store/x", fallbacks=("https://a/x",)),)),)


def asked(**options: Any) -> ProxySettings:
    return resolve(RunOptions(**options)).proxy


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where a proxy is looked for first; there is none yet, nor elsewhere."""
    monkeypatch.setattr(proxy, "places", lambda: [tmp_path / "mine"])
    return tmp_path / "mine"


def test_the_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("X509_USER_PROXY", str(tmp_path / "named"))
    monkeypatch.setenv("HOME", str(tmp_path))
    first, usual, home = proxy.places()
    assert (first, home.parent) == (tmp_path / "named", tmp_path)
    assert str(usual).startswith("/tmp/x509up_u")
    certificates.write(first, HOUR)
    found = proxy.find()
    assert found is not None
    assert found.path == first


def test_a_chain_lives_as_long_as_its_weakest(file: Path) -> None:
    certificates.write(file, 5 * HOUR, 2 * HOUR, 9 * HOUR)
    assert 2 * HOUR - 60 < Proxy(path=file, expires=proxy.expires(file)).left < 2 * HOUR
    file.write_text("no certificate")
    assert proxy.expires(file) == 0


def test_it_is_only_for_files_over_xrootd(file: Path) -> None:
    certificates.write(file, 5 * HOUR)
    assert proxies.choose(asked(), LOCAL) is None
    assert proxies.describe(asked(), LOCAL, None) == ""
    found = proxies.choose(asked(), REMOTE)
    assert found is not None
    assert proxies.describe(asked(), REMOTE, found).startswith(f"{file}, ")
    assert proxies.choose(asked(proxy="none"), REMOTE) is None
    assert "none, as --proxy none says" in proxies.describe(asked(proxy="none"), REMOTE, None)


def test_without_one_it_is_said(file: Path) -> None:
    assert proxies.choose(asked(), REMOTE) is None
    assert "none found" in proxies.describe(asked(), REMOTE, None)


def test_a_site_may_insist(file: Path) -> None:
    settings = asked(workers="condor@lxplus:5")
    with pytest.raises(UsageError, match="lxplus needs one for root:// files"):
        proxies.choose(settings, REMOTE)
    assert proxies.choose(settings, LOCAL) is None
    certificates.write(file, HOUR)
    assert proxies.choose(settings, REMOTE) is not None


def test_a_sites_redirectors_are_the_last_places() -> None:
    [dataset] = redirects.placed(REMOTE, resolve(RunOptions(workers="condor@lpc:5")).input)
    assert dataset.files[0].fallbacks == ("root://cmsxrootd.fnal.gov//store/x",)
    assert redirects.placed(REMOTE, resolve(RunOptions(workers="local:5")).input) == REMOTE


def test_what_was_named_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no certificate")
    with pytest.raises(UsageError, match="there is no certificate in it"):
        proxies.choose(asked(proxy=str(tmp_path / "x")), REMOTE)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-10, "has expired"), (600, "before it ends"), (20 * HOUR, "left")],
)
def test_how_long_it_lives(file: Path, seconds: float, said: str) -> None:
    certificates.write(file, seconds)
    found = proxies.choose(asked(), REMOTE)
    text = proxies.describe(asked(), REMOTE, found)
    assert said in text
    assert ("voms-proxy-init" in text) == (seconds <= HOUR)


def test_the_copy_follows_what_is_whole(file: Path, tmp_path: Path) -> None:
    first = certificates.write(file, HOUR)
    courier = Courier(Proxy(path=file, expires=proxy.expires(file)), tmp_path / "copy")
    assert courier.copy.read_text() == first
    assert courier.copy.stat().st_mode & 0o077 == 0
    assert not courier.refresh()
    file.write_text("half of")
    assert not courier.refresh()
    file.unlink()
    assert not courier.refresh()
    assert courier.copy.read_text() == first
    second = certificates.write(file, 2 * HOUR)
    assert courier.refresh()
    assert courier.copy.read_text() == second
    assert courier.proxy.left > HOUR


def test_a_run_that_outlives_its_proxy(file: Path, tmp_path: Path) -> None:
    certificates.write(file, HOUR)
    said, now = io.StringIO(), [0.0]
    left: list[float | None] = [None]
    courier = Courier(Proxy(path=file, expires=proxy.expires(file)), tmp_path / "copy")
    renewal = proxies.Renewal(courier, Console(file=said, width=300), lambda: left[0], lambda: now[0])

    def look() -> str:
        now[0] += 10
        said.seek(0)
        said.truncate()
        renewal()
        return said.getvalue()

    assert look() == ""
    left[0] = HOUR / 2
    assert look() == ""
    left[0] = 2 * HOUR
    assert "expires in" in look()
    assert look() == ""
    certificates.write(file, 5 * HOUR)
    assert "renewed" in look()
    assert look() == ""
    certificates.write(file, -1)
    assert "has expired" in look()
