"""Editable packages, in each of the ways that installers ever wrote them down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wq_runner.environment.editables import Editable, find_editables
from wq_runner.environment.spec import Kind, inspect


@pytest.fixture
def site(tmp_path: Path) -> Path:
    found = tmp_path / "env/lib/python3.11/site-packages"
    found.mkdir(parents=True)
    (tmp_path / "env/pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.2\n")
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "my project"
    for name in ("src/pkg/__init__.py", "src/mod.py", "src/tests/__init__.py", "setup.py", "docs/conf.py"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return root


def install(site: Path, project: Path, *, name: str = "my-pkg", files: tuple[str, ...] = ()) -> Path:
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    url = "file://" + str(project).replace(" ", "%20")
    (info / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": {"editable": True}}))
    record = [*files, f"{info.name}/METADATA", "../../../bin/my-script"]
    (info / "RECORD").write_text("".join(f"{line},,\n" for line in record))
    return info


def only(site: Path) -> Editable:
    (found,) = find_editables(site.parents[2])
    return found


def targets(editable: Editable) -> set[str]:
    return {module.target for module in editable.modules}


def test_pep_610_with_a_path_file(site: Path, project: Path) -> None:
    (site / "_my_pkg.pth").write_text(f"{project / 'src'}\n")
    info = install(site, project, files=("_my_pkg.pth",))
    found = only(site)
    assert (found.name, found.version, found.project, found.compiled) == ("my-pkg", "1.0", project, False)
    # whatever it is called: nothing lies in this directory but what is importable
    assert targets(found) == {"pkg", "mod.py", "tests"}
    assert set(found.files) == {info, site / "_my_pkg.pth", site.parents[2] / "bin/my-script"}


def test_pep_610_with_a_finder_of_setuptools(site: Path, project: Path) -> None:
    source = project / "src"
    (site / "__editable___my_pkg_1_0_finder.py").write_text(
        f"MAPPING: dict[str, str] = {{'pkg': {str(source / 'pkg')!r}, 'mod': {str(source / 'mod')!r}}}\n"
        "NAMESPACES: dict[str, list[str]] = {}\nraise SystemExit('never run')\n"
    )
    (site / "__editable__.my_pkg-1.0.pth").write_text("import __editable___my_pkg_1_0_finder\n")
    install(site, project, files=("__editable___my_pkg_1_0_finder.py", "__editable__.my_pkg-1.0.pth"))
    assert targets(only(site)) == {"pkg", "mod.py"}


def test_egg_link(site: Path, project: Path) -> None:
    source = project / "src"
    info = source / "my_pkg.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Name: my-pkg\nVersion: 0.9\n")
    (info / "top_level.txt").write_text("pkg\n")
    (site / "my-pkg.egg-link").write_text(f"{source}\n../")
    (site / "easy-install.pth").write_text(f"{source}\n")
    found = only(site)
    assert (found.name, found.version, found.metadata) == ("my-pkg", "0.9", info)
    assert targets(found) == {"pkg", "mod.py", "tests"}


def test_a_path_file_written_by_hand(site: Path, project: Path) -> None:
    (site / "mine.pth").write_text(f"# mine\n{project / 'src'}\n/nonexistent\nimport os\n")
    found = only(site)
    assert (found.project, targets(found)) == (project / "src", {"pkg", "mod.py", "tests"})


def test_no_other_project_is_taken_for_a_package(site: Path, project: Path) -> None:
    (project / "src/vendored").mkdir()
    (project / "src/vendored/setup.py").write_text("")
    (project / "src/venv").mkdir()
    (project / "src/venv/pyvenv.cfg").write_text("")
    (site / "mine.pth").write_text(f"{project / 'src'}\n")
    assert targets(only(site)) == {"pkg", "mod.py", "tests"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pyproject.toml", '[build-system]\nbuild-backend = "scikit_build_core.build"\n'),
        ("pyproject.toml", "[build-system]\nbuild-backend='mesonpy'\n"),
        ("pyproject.toml", '[build-system]\nbuild-backend = "maturin"\n'),
        ("setup.py", "setup(ext_modules=[Extension('pkg.fast', ['fast.c'])])\n"),
        ("src/pkg/_fast.cpython-311-x86_64-linux-gnu.so", ""),
    ],
)
def test_compiled(site: Path, project: Path, name: str, content: str) -> None:
    (project / name).write_text(content)
    (site / "_my_pkg.pth").write_text(f"{project / 'src'}\n")
    install(site, project, files=("_my_pkg.pth",))
    assert only(site).compiled


@pytest.mark.parametrize("name", ["engine/_core.so", "_core.so"])
def test_what_no_backend_made_is_shipped_as_it_is(site: Path, tmp_path: Path, name: str) -> None:
    """As what `make install` puts into a directory that a .pth file names."""
    prefix = tmp_path / "opt/lib/python3.11/site-packages"
    (prefix / "engine").mkdir(parents=True)
    (prefix / "engine/__init__.py").write_text("")
    (prefix / name).write_bytes(b"\x7fELF")
    (site / "engine.pth").write_text(f"{prefix}\n")
    found = only(site)
    assert not found.compiled
    assert "engine" in targets(found)


def test_what_is_installed_for_good_is_no_editable(site: Path, project: Path) -> None:
    info = install(site, project)
    (info / "direct_url.json").write_text(json.dumps({"url": "file:///x", "dir_info": {}}))
    (site / "distutils-precedence.pth").write_text("import os; os.environ\n")
    assert find_editables(site.parents[2]) == ()


def test_editables_are_not_in_the_key(site: Path, project: Path) -> None:
    prefix = site.parents[2]
    before = inspect(prefix, Kind.VENV).key
    info = install(site, project)
    assert inspect(prefix, Kind.VENV).key != before
    assert inspect(prefix, Kind.VENV, leave_out=[info]).key == before
