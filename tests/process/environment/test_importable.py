"""What can be imported here is what is shipped: real editable installs, in each way of each build backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from repositories import Repository

from wq_runner.environment import overlay, packing
from wq_runner.environment.editables import find_editables
from wq_runner.environment.launch import OVERLAY
from wq_runner.environment.overlay import Ingredients
from wq_runner.environment.spec import Kind
from wq_runner.environment.store import Store

HEAD = """
[build-system]
requires = []
build-backend = "{backend}"
[project]
name = "{name}"
version = "1.0"
description = "tiny"
"""
CODE = "import importlib.resources\nVALUE = {value!r}\nREAD = {read}\n"
READ = "(importlib.resources.files(__package__) / {name!r}).read_text()"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a project is laid out and installed. `modules` are those that can be imported then."""

    backend: str
    modules: Mapping[str, str]
    config: str = ""
    settings: str = ""
    more: Mapping[str, str] = ()  # type: ignore[assignment]

    @property
    def module(self) -> str:
        return self.backend.partition(".")[0]


SRC = {
    "tiny": "src/tiny/__init__.py",
    "tools.inner": "src/tools/inner.py",
    "scripts": "src/scripts/__init__.py",
    "testing": "src/testing/__init__.py",
    "one.two.three.leaf": "src/one/two/three/leaf.py",
    "alone": "src/alone.py",
}
FLAT = {
    "tiny": "tiny/__init__.py",
    "tools": "tools/__init__.py",
    "one.two.three.leaf": "one/two/three/leaf.py",
}
DATA = "[tool.setuptools.package-data]\n'*' = ['*.json']\n"
LAYOUTS = {
    "setuptools, src": Layout(backend="setuptools.build_meta", modules=SRC),
    "setuptools, strict": Layout(
        backend="setuptools.build_meta", modules=SRC, settings="editable_mode=strict", config=DATA
    ),
    "setuptools, compat": Layout(
        backend="setuptools.build_meta", modules=SRC, settings="editable_mode=compat"
    ),
    "setuptools, flat": Layout(
        backend="setuptools.build_meta",
        modules=FLAT,
        config="[tool.setuptools]\npackages = ['tiny', 'tools', 'one.two.three']\n",
        more={"tests/__init__.py": "", "docs/conf.py": ""},
    ),
    "hatch, src": Layout(
        backend="hatchling.build",
        modules=SRC,
        config="[tool.hatch.build.targets.wheel]\nonly-include = ['src']\nsources = ['src']\n",
    ),
    "hatch, flat": Layout(
        backend="hatchling.build",
        modules=FLAT,
        config="[tool.hatch.build.targets.wheel]\npackages = ['tiny', 'tools', 'one']\n",
        more={"tests/__init__.py": "", "docs/conf.py": ""},
    ),
    "flit": Layout(backend="flit_core.buildapi", modules={"tiny": "src/tiny/__init__.py"}),
    "pdm, src": Layout(backend="pdm.backend", modules=SRC),
    "pdm, by a finder": Layout(
        backend="pdm.backend",
        modules={"tiny": "lib/tiny/__init__.py"},
        config="[tool.pdm.build]\npackage-dir = 'lib'\neditable-backend = 'editables'\n",
    ),
    "poetry": Layout(
        backend="poetry.core.masonry.api",
        modules=FLAT,
        config="[tool.poetry]\npackages = [{include='tiny'}, {include='tools'}, {include='one'}]\n",
        more={"tests/__init__.py": "", "docs/conf.py": ""},
    ),
}


def write(project: Path, layout: Layout) -> None:
    repo = Repository(project)
    repo.write("pyproject.toml", HEAD.format(backend=layout.backend, name="tiny") + layout.config)
    for name, place in layout.modules.items():
        data = place.replace("__init__", name).replace(".py", ".json")
        of_package = place.endswith("__init__.py")
        read = READ.format(name=Path(data).name) if of_package else repr("")
        repo.write(place, '"""Tiny."""\n__version__ = "1.0"\n' + CODE.format(value=name, read=read))
        if of_package:
            repo.write(data, name)
    for place, text in dict(layout.more).items():
        repo.write(place, text)


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An empty virtual environment."""
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    return tmp_path / "env"


def install(prefix: Path, project: Path, settings: str = "") -> None:
    """Install in editable mode with pip, and with the build backends that are here."""
    command = [sys.executable, "-m", "pip", "--python", str(prefix / "bin/python"), "install", "-q", "-e"]
    command += [
        str(project),
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--disable-pip-version-check",
    ]
    command += [f"--config-settings={settings}"] if settings else []
    env = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib"), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def ship(ingredients: Ingredients, store: Store, tmp_path: Path) -> tuple[Path, overlay.Draft]:
    """Make the overlay and unpack it, as a worker does."""
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    draft = overlay.draft(ingredients, scratch)
    stored, _ = overlay.build(draft, store)
    out = tmp_path / "unpacked"
    with tarfile.open(stored.path / OVERLAY) as tar:
        tar.extractall(out, filter="data")
    return out, draft


IMPORT = """
import importlib, json, sys
sys.path[:0] = sys.argv[1].split(":")
modules = {name: importlib.import_module(name) for name in json.loads(sys.argv[2])}
print(json.dumps({name: [one.__file__, one.VALUE, one.READ] for name, one in modules.items()}))
"""


def imported(out: Path, *names: str) -> dict[str, Any]:
    paths = f"{out / 'analysis'}:{out / 'site'}"
    command = [sys.executable, "-I", "-c", IMPORT, paths, json.dumps(names)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=out)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check_all(out: Path, layout: Layout) -> None:
    for name, (file, value, read) in imported(out, *layout.modules).items():
        assert Path(file).is_relative_to(out), name
        assert (value, read) == (name, name if file.endswith("__init__.py") else "")


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_of_each_backend(name: str, prefix: Path, store: Store, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    pytest.importorskip(layout.module)
    project = tmp_path / "project"
    project.mkdir()
    write(project, layout)
    install(prefix, project, layout.settings)
    out, _ = ship(Ingredients(editables=find_editables(prefix)), store, tmp_path)
    project.rename(tmp_path / "out of reach")
    check_all(out, layout)
    # what lies beside the packages of a whole project, and nobody declared or imported, stays
    assert not {"tests", "docs"} & {path.name for path in (out / "site").iterdir()}


def test_strict_with_git_that_ignores_where_the_links_are(prefix: Path, store: Store, tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    layout = LAYOUTS["setuptools, strict"]
    repo = Repository(tmp_path / "project")
    repo.root.mkdir()
    repo.git("init", "-q")
    write(repo.root, layout)
    repo.write(".gitignore", "build/\n*.egg-info/\n")
    repo.commit()
    install(prefix, repo.root, layout.settings)
    out, _ = ship(Ingredients(editables=find_editables(prefix)), store, tmp_path)
    repo.root.rename(tmp_path / "out of reach")
    check_all(out, layout)


def test_a_package_that_is_linked_into_site_packages(prefix: Path, store: Store, tmp_path: Path) -> None:
    """As `flit install --symlink` does, and people by hand; the base has no link that leads nowhere."""
    project = Repository(tmp_path / "project")
    layout = Layout(backend="flit_core.buildapi", modules={"tiny": "tiny/__init__.py"})
    write(project.root, layout)
    (site,) = prefix.glob("lib/python3*/site-packages")
    (site / "tiny").symlink_to(project.root / "tiny")
    info = site / "tiny-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    facts = {"url": project.root.as_uri(), "dir_info": {"editable": True}}
    (info / "direct_url.json").write_text(json.dumps(facts))
    (info / "RECORD").write_text("tiny,,\ntiny-1.0.dist-info/METADATA,,\n")
    by_hand = project.write("alone.py", CODE.format(value="alone", read="''"))
    (site / "alone.py").symlink_to(by_hand)
    found = find_editables(prefix)
    assert [one.name for one in found] == ["alone", "tiny"]
    archive = tmp_path / "base.tar.gz"
    (site / "installed").mkdir()
    (site / "installed/__init__.py").touch()
    (site / "installed/data").symlink_to(project.root)
    said: list[str] = []
    without = [path for one in found for path in one.files]
    packing.pack(prefix, Kind.VENV, archive, leave_out=without, say=said.append)
    # what lies inside of an installed package is not followed, but named
    (warning,) = said
    assert f"{project.root}, to which {site / 'installed/data'} leads" in warning
    with tarfile.open(archive) as tar:
        assert not [name for name in tar.getnames() if "tiny" in name or "alone" in name]
    out, _ = ship(Ingredients(editables=found), store, tmp_path)
    project.root.rename(tmp_path / "out of reach")
    assert set(imported(out, "tiny", "alone")) == {"tiny", "alone"}


def test_a_finder_that_nobody_knows_is_asked(prefix: Path, store: Store, tmp_path: Path) -> None:
    project = Repository(tmp_path / "project")
    project.write("lib/tiny/__init__.py", CODE.format(value="tiny", read="''"))
    (site,) = prefix.glob("lib/python3*/site-packages")
    finder = (
        "import sys, importlib.util\nclass F:\n  @staticmethod\n"
        "  def find_spec(name, path=None, target=None):\n"
        f"    if name == 'tiny':\n      return importlib.util.spec_from_file_location(name, "
        f"{str(project.root / 'lib/tiny/__init__.py')!r})\nsys.meta_path.append(F)\n"
    )
    (site / "_strange.py").write_text(finder)
    (site / "strange.pth").write_text("import _strange\n")
    info = site / "tiny-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    facts = {"url": project.root.as_uri(), "dir_info": {"editable": True}}
    (info / "direct_url.json").write_text(json.dumps(facts))
    (info / "RECORD").write_text("strange.pth,,\n_strange.py,,\n")
    out, _ = ship(Ingredients(editables=find_editables(prefix)), store, tmp_path)
    project.root.rename(tmp_path / "out of reach")
    assert list(imported(out, "tiny")) == ["tiny"]


def test_of_two_packages_of_one_name_the_first_on_the_path(
    prefix: Path, store: Store, tmp_path: Path
) -> None:
    (site,) = prefix.glob("lib/python3*/site-packages")
    for name in ("a", "b"):
        Repository(tmp_path / name).write("tools/__init__.py", CODE.format(value=name, read="''"))
        Repository(tmp_path / name).write(f"tools/only_{name}.py", "")
        (site / f"{name}.pth").write_text(f"{tmp_path / name}\n")
    out, _ = ship(Ingredients(editables=find_editables(prefix)), store, tmp_path)
    assert {path.name for path in (out / "site/tools").iterdir()} == {"__init__.py", "only_a.py"}
    assert imported(out, "tools")["tools"][1] == "a"


@pytest.fixture(params=["git", "no git"])
def package(
    request: pytest.FixtureRequest, repository: Callable[..., Repository], tmp_path: Path
) -> Repository:
    if request.param == "git":
        return repository("project")
    (tmp_path / "project").mkdir()
    return Repository(tmp_path / "project")


def test_links_are_followed_and_data_is_part_of_a_package(
    package: Repository, prefix: Path, store: Store, tmp_path: Path
) -> None:
    elsewhere = Repository(tmp_path / "elsewhere")
    elsewhere.write("common/__init__.py", CODE.format(value="common", read="''"))
    elsewhere.write("weights.json", "of elsewhere")
    source = package.root / "src/tiny"
    package.write("src/tiny/__init__.py", CODE.format(value="tiny", read=READ.format(name="sf.root")))
    package.write("src/tiny/settings.py", "")
    package.write(".gitignore", "*.json\nsettings.py\n*.log\n")
    (source / "inside.py").symlink_to("settings.py")
    (source / "common").symlink_to(elsewhere.root / "common")
    (source / "weights.json").symlink_to("../../../elsewhere/weights.json")
    (source / "again").symlink_to(package.root / "src")
    (source / "nothing").symlink_to(tmp_path / "not there")
    (package.root / "src/linked").symlink_to(elsewhere.root / "common")
    if (package.root / ".git").exists():
        package.commit()
    package.write("src/tiny/sf.root", "tiny")
    package.write("src/tiny/sf.json", "ignored by git")
    package.write("src/tiny/run.log", "of a tool")
    (source / "huge.json").touch()
    os.truncate(source / "huge.json", 60 * 2**20)
    (site,) = prefix.glob("lib/python3*/site-packages")
    (site / "tiny.pth").write_text(f"{package.root / 'src'}\n")
    out, draft = ship(Ingredients(editables=find_editables(prefix)), store, tmp_path)
    for root in (package.root, elsewhere.root):
        root.rename(root.with_name(f"{root.name} out of reach"))
    names = ("tiny", "tiny.common", "linked")
    assert [one[1] for one in imported(out, *names).values()] == ["tiny", "common", "common"]
    there = out / "site/tiny"
    assert (there / "weights.json").read_text() == "of elsewhere"
    assert (there / "sf.json").read_text() == "ignored by git"
    assert (there / "inside.py").readlink() == Path("settings.py")
    assert (there / "settings.py").exists()
    assert not (there / "run.log").exists()
    assert not [path for path in out.rglob("*") if path.is_symlink() and not path.exists()]
    # what does not go is named
    reasons = {path.name: why for path, why in draft.skipped.items()}
    assert "60 MB" in reasons["huge.json"]
    assert "in which it lies" in reasons["again"]
    assert "link to nothing" in reasons["nothing"]


def test_what_is_imported_is_shipped_from_wherever_it_is(
    package: Repository, store: Store, tmp_path: Path
) -> None:
    """PYTHONPATH, a path that the processor adds, a file that git ignores, a part of a namespace."""
    value = CODE.format(value="x", read="''")
    analysis = package.write("analysis/processor.py", value).parent
    package.write(".gitignore", "local.py\n")
    imports = [
        ("processor", analysis / "processor.py"),
        ("local", package.write("analysis/local.py", value)),
        ("helper", package.write("common/helper.py", value)),
        ("lib.deep.part", package.write("elsewhere/lib/deep/part.py", value)),
        ("tools", package.write("flat/tools/__init__.py", value)),
    ]
    package.write("elsewhere/lib/deep/later.py", value)
    package.write("flat/tools/inner.py", value)
    package.write("flat/pyproject.toml", "")
    out, _ = ship(Ingredients(analysis=analysis, imported=tuple(imports)), store, tmp_path)
    package.root.rename(tmp_path / "out of reach")
    names = [name for name, _ in imports] + ["lib.deep.later", "tools.inner"]
    assert set(imported(out, *names)) == set(names)


def test_data_that_a_script_names_goes_with_it(package: Repository, store: Store, tmp_path: Path) -> None:
    """Outside of git nothing else tells; and what git ignores, or is called data, is read all the same."""
    read = "[one.read_text() for one in sorted(here.glob('**/*.*')) if one.suffix in ('.json', '.root')]"
    text = (
        "from pathlib import Path\nhere = Path(__file__).parent\n"
        "YEARS = {year: f'tables/sf_{year}.json' for year in (2022, 2023)}\n"
        f"NAME = here / 'pileup.root'\nVALUE = ''\nREAD = {read}\n"
    )
    script = package.write("analysis/processor.py", text)
    package.write("common/helper.py", text)
    package.write(".gitignore", "*.json\n")
    for place in ("analysis", "common"):
        package.write(f"{place}/tables/sf_2022.json", f"{place} 2022")
        package.write(f"{place}/tables/sf_2023.json", f"{place} 2023")
        package.write(f"{place}/tables/other.json", "nobody names it")
        package.write(f"{place}/pileup.root", f"{place} root")
    (script.parent / "old").mkdir()
    (script.parent / "old/pileup.root").touch()
    os.truncate(script.parent / "old/pileup.root", 60 * 2**20)
    imports = (("processor", script), ("helper", package.root / "common/helper.py"))
    out, draft = ship(Ingredients(analysis=script.parent, imported=imports), store, tmp_path)
    assert "60 MB" in draft.skipped[script.parent / "old/pileup.root"]
    package.root.rename(tmp_path / "out of reach")
    found = imported(out, "processor", "helper")
    assert found["processor"][2] == ["analysis root", "analysis 2022", "analysis 2023"]
    assert [one for one in found["helper"][2] if one.startswith("common")] == [
        "common root", "common 2022", "common 2023"
    ]  # fmt: skip
