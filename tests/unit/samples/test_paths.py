from __future__ import annotations

from pathlib import Path

import pytest

from wq_runner.samples import paths


@pytest.mark.parametrize(
    ("prefix", "name", "joined"),
    [
        ("root://host/", "/store/x.root", "root://host//store/x.root"),
        ("root://host", "/store/x.root", "root://host//store/x.root"),
        ("root://host//", "/store/x.root", "root://host//store/x.root"),
        ("root://host:1094/", "store/x.root", "root://host:1094//store/x.root"),
        ("root://host//eos/cms", "/store/x.root", "root://host//eos/cms/store/x.root"),
        ("root://host//eos/cms/", "/store/x.root", "root://host//eos/cms/store/x.root"),
        ("xrootd://host/", "/store/x.root", "root://host//store/x.root"),
        ("https://host/", "/store/x.root", "https://host/store/x.root"),
        ("davs://host:443/base/", "/store/x.root", "https://host:443/base/store/x.root"),
        ("file:///cms/cephfs/data/", "/store/x.root", "/cms/cephfs/data/store/x.root"),
        ("file:///", "/store/x.root", "/store/x.root"),
        ("file://localhost/data", "x.root", "/data/x.root"),
    ],
)
def test_a_prefix_and_a_name_make_one_path(prefix: str, name: str, joined: str) -> None:
    assert paths.join(prefix, name) == joined


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("rooot://host//store", "rooot://host//store: unknown scheme rooot; nearest: root"),
        ("qqqqq://host/", "known: root, xroot"),
        ("file://data/x.root", "file:///data/x.root"),
        ("root:///store/x.root", "names no host"),
    ],
)
def test_a_bad_url_is_named(url: str, problem: str) -> None:
    assert problem in (paths.url_problem(url) or "")


@pytest.mark.parametrize("scheme", ["root", "xroot", "xrootd", "http", "https", "dav", "davs", "ROOT"])
def test_a_known_scheme_is_no_problem(scheme: str) -> None:
    assert paths.url_problem(f"{scheme}://host.example//store/") is None


def test_local_paths_are_absolute_and_say_each_thing_once(here: Path) -> None:
    assert paths.local("a.root") == f"{here}/a.root"
    assert paths.local("./d//a.root") == f"{here}/d/a.root"
    assert paths.local("/a/././b.root") == "/a/b.root"
    assert paths.local("run:3/ä b.root") == f"{here}/run:3/ä b.root"


def test_a_step_up_from_a_link_leads_to_where_the_link_points(here: Path) -> None:
    (here / "far/deep").mkdir(parents=True)
    (here / "link").symlink_to(here / "far/deep")
    assert paths.local("link/../x.root") == str(here / "far/x.root")
