"""The overlay: the code as it is now, as installed packages, in about a second."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from repositories import Repository

from wq_runner.environment import overlay, spec
from wq_runner.environment.editables import Editable, find_editables
from wq_runner.environment.launch import OVERLAY, SCRIPT, Launch, script
from wq_runner.environment.overlay import Ingredients, extra_files
from wq_runner.environment.store import Layer, Store, Stored
from wq_runner.errors import UsageError, WorkerEnvironmentError

Make = Callable[..., Repository]
Draft = Callable[..., overlay.Draft]


@pytest.fixture
def draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Draft:
    # as it was installed for good: who works on it changes it while the tests run
    own = tmp_path / "site-packages" / "wq_runner"
    shutil.copytree(overlay.own_package(), own, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(overlay, "own_package", lambda: own)
    numbers = iter(range(1000))

    def make(**ingredients: object) -> overlay.Draft:
        scratch = tmp_path / f"draft{next(numbers)}"
        scratch.mkdir()
        return overlay.draft(Ingredients(**ingredients), scratch)  # type: ignore[arg-type]

    return make


def unpack(stored: Stored, place: Path) -> Path:
    with tarfile.open(stored.path / OVERLAY) as tar:
        tar.extractall(place, filter="data")
    return place


def editable(repo: Repository, prefix: Path) -> Editable:
    """Install a package of the repository in editable mode, as pip does it."""
    site = prefix / "lib/python3.11/site-packages"
    info = site / "my_pkg-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-pkg\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[my.plugins]\nfirst = my_pkg.plugin:First\n")
    (info / "direct_url.json").write_text(
        json.dumps({"url": repo.root.as_uri(), "dir_info": {"editable": True}})
    )
    (info / "RECORD").write_text("_my_pkg.pth,,\nmy_pkg-1.0.dist-info/METADATA,,\n")
    (site / "_my_pkg.pth").write_text(f"{repo.root / 'src'}\n")
    (found,) = find_editables(prefix)
    return found


@pytest.fixture
def package(repository: Make) -> Repository:
    repo = repository("my-pkg")
    repo.write("src/my_pkg/__init__.py", "VALUE = 1\n")
    repo.write("src/my_pkg/plugin.py", "class First: ...\n")
    repo.write("src/my_pkg/data/weights.json", "{}")
    repo.write("src/my_pkg/_version.py", "version = '1.0'")
    repo.write("README.md", "read me")
    repo.write(".gitignore", "_version.py\n*.log\n")
    repo.commit()
    return repo


def test_an_editable_package_is_installed(
    package: Repository, draft: Draft, store: Store, tmp_path: Path
) -> None:
    found = draft(editables=(editable(package, tmp_path / "env"),))
    stored, built = overlay.build(found, store)
    assert built
    site = unpack(stored, tmp_path / "out") / "site"
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import my_pkg, importlib.metadata as metadata, importlib.resources as resources\n"
        "from my_pkg._version import version\n"
        "(entry,) = metadata.entry_points(group='my.plugins')\n"
        "data = resources.files('my_pkg').joinpath('data/weights.json').read_text()\n"
        "editable = metadata.distribution('my-pkg').read_text('direct_url.json')\n"
        "print(my_pkg.__file__, metadata.version('my-pkg'), entry.load().__name__, version, data, editable)\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(site / "my_pkg/__init__.py"), "1.0", "First", "1.0", "{}", "None"]
    assert not list(site.glob("README*"))
    # the program itself travels too: the functions of tasks are its own
    assert (site / "wq_runner/__init__.py").exists()


def test_scripts_of_editable_packages_are_on_the_path_of_a_task(
    package: Repository, repository: Make, draft: Draft, store: Store, tmp_path: Path
) -> None:
    """A task of a worker calls them by their names, as where they are installed."""
    pytest.importorskip("setuptools")
    installed = editable(package, tmp_path / "env")
    package.write("src/my_pkg/cli.py", "import sys\nclass App:\n  run = lambda: print('ran', sys.argv[1:])\n")
    assert installed.metadata is not None
    (installed.metadata / "entry_points.txt").write_text("[console_scripts]\nMy-Tool = my_pkg.cli:App.run\n")
    repo = repository("fast")
    repo.write("setup.py", COMPILED.replace("ext_modules", "scripts=['fast-tool'], ext_modules"))
    repo.write("fast-tool", "#!/usr/bin/python3\nimport fast\nprint('fast', fast.VALUE)\n")
    repo.write("core.c", CORE % 5)
    repo.write("fast/__init__.py", "from fast._core import VALUE\n")
    repo.commit()
    compiled = Editable(name="fast", version="1.0", project=repo.root, modules=(), compiled=True)
    stored, _ = overlay.build(draft(editables=(installed, compiled)), store)
    task = tmp_path / "worker" / "t.1"
    task.mkdir(parents=True)
    shutil.copy(stored.path / OVERLAY, task)
    launch = Launch(kind="none", overlay=stored.key, python=sys.executable)
    (task / SCRIPT).write_text(script(launch))
    # the first python3 of PATH is the one of the task
    environ = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    code = (
        "import subprocess\n"
        "for command in (['My-Tool', 'a b'], ['fast-tool'], ['wq-samples', '--help']):\n"
        "    print(subprocess.check_output(command, text=True).splitlines()[0], flush=True)\n"
    )
    done = subprocess.run(
        ["/bin/sh", SCRIPT, "-c", code], cwd=task, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "ran ['a b']",
        "fast 5",
        "Usage: wq-samples [OPTIONS] COMMAND [ARGS]...",
    ]


def test_the_key_is_the_content(package: Repository, draft: Draft, tmp_path: Path) -> None:
    installed = editable(package, tmp_path / "env")

    def key() -> str:
        return draft(editables=(installed,)).key

    first = key()
    assert key() == first
    package.write("src/my_pkg/__init__.py", "VALUE = 2\n")
    second = key()
    package.git("add", "-A")
    assert key() == second != first
    package.commit()
    assert key() == second
    package.write("src/my_pkg/fresh.py", "")
    assert key() not in {first, second}
    (package.root / "src/my_pkg/fresh.py").unlink()
    package.write("src/my_pkg/__init__.py", "VALUE = 1\n")
    assert key() == first
    # what is not shipped does not count
    package.write("README.md", "changed")
    package.write("src/my_pkg/run.log", "ignored")
    assert key() == first
    package.write("src/my_pkg/_version.py", "version = '1.1'")
    assert key() != first


def test_another_repository_does_not_count(
    package: Repository, repository: Make, draft: Draft, tmp_path: Path
) -> None:
    installed = editable(package, tmp_path / "env")
    before = draft(editables=(installed,)).key
    other = repository("unrelated")
    other.write("README.md", "1")
    other.commit()
    assert draft(editables=(installed,)).key == before


def test_the_analysis_and_extra_files(
    repository: Make, draft: Draft, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = repository("ana lysis")
    repo.write("processor.py", "import helper")
    repo.write("helper.py", "")
    repo.write("samples.cfg", "")
    monkeypatch.chdir(repo.root)
    repo.write("corrections/sf.json", "1")
    elsewhere = tmp_path / "elsewhere.txt"
    elsewhere.write_text("2")
    extra = extra_files([Path("corrections/sf.json"), elsewhere, Path("corrections")])
    stored, _ = overlay.build(draft(analysis=repo.root, extra_files=extra), store)
    out = unpack(stored, tmp_path / "out")
    assert {path.name for path in (out / "analysis").iterdir()} == {
        "processor.py", "helper.py", "samples.cfg", "corrections"
    }  # fmt: skip
    # by the last part of the name, and as it is named here
    for name in ("sf.json", "corrections/sf.json", "elsewhere.txt"):
        assert (out / "files" / name).is_file()


def test_links_among_extra_files_are_followed(
    draft: Draft, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Repository(tmp_path / "elsewhere")
    plain.write("deep/sf.json", "1")
    given = tmp_path / "given"
    given.mkdir()
    (given / "sf.json").symlink_to(plain.root / "deep/sf.json")
    (given / "deep").symlink_to(plain.root / "deep")
    (given / "again").symlink_to(given)
    (tmp_path / "alone.json").symlink_to(plain.root / "deep/sf.json")
    monkeypatch.chdir(tmp_path)
    extra = extra_files([Path("given"), Path("alone.json")])
    stored, _ = overlay.build(draft(extra_files=extra), store)
    files = unpack(stored, tmp_path / "out") / "files"
    found = {str(path.relative_to(files)): path.read_text() for path in files.rglob("*") if path.is_file()}
    assert found == {"given/sf.json": "1", "given/deep/sf.json": "1", "alone.json": "1"}


def test_extra_files_that_make_no_sense(tmp_path: Path, here: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        extra_files([Path("missing.txt")])
    for name in ("a/x.txt", "b/x.txt"):
        (here / name).parent.mkdir()
        (here / name).write_text("")
    with pytest.raises(UsageError, match=r"two --extra-file are called x.txt"):
        extra_files([Path("a/x.txt"), Path("b/x.txt")])


def test_a_package_outside_of_git(draft: Draft, store: Store, tmp_path: Path) -> None:
    plain = Repository(tmp_path / "plain")
    plain.write("src/my_pkg/__init__.py", "")
    plain.write("src/my_pkg/plugin.py", "class First: ...\n")
    installed = editable(plain, tmp_path / "env")
    first = draft(editables=(installed,))
    stored, _ = overlay.build(first, store)
    assert (unpack(stored, tmp_path / "out") / "site/my_pkg/plugin.py").exists()
    plain.write("src/my_pkg/plugin.py", "class Other: ...\n")
    assert draft(editables=(installed,)).key != first.key


def test_what_changed_is_kept(package: Repository, draft: Draft, tmp_path: Path) -> None:
    installed = editable(package, tmp_path / "env")
    package.write("src/my_pkg/__init__.py", "VALUE = 'changed'\n")
    package.write("src/my_pkg/fresh.py", "FRESH = True\n")
    found = draft(editables=(installed,))
    written = found.write_patches(tmp_path / "code")
    (patch,) = [path for path in written if path.name.startswith("my-pkg-")]
    text = patch.read_text()
    assert "+VALUE = 'changed'" in text
    assert "+FRESH = True" in text


COMPILED = """
from setuptools import Extension, setup
setup(name="fast", version="1.0", packages=["fast"], ext_modules=[Extension("fast._core", ["core.c"])])
"""
CORE = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_core", NULL, -1, NULL};
PyMODINIT_FUNC PyInit__core(void) {
    PyObject *made = PyModule_Create(&module);
    PyModule_AddIntConstant(made, "VALUE", %d);
    return made;
}
"""


def test_a_compiled_package_is_built_by_its_backend(
    repository: Make, draft: Draft, store: Store, tmp_path: Path
) -> None:
    pytest.importorskip("setuptools")
    repo = repository("fast")
    repo.write("setup.py", COMPILED)
    repo.write("core.c", CORE % 1)
    repo.write("fast/__init__.py", "from fast._core import VALUE\n")
    repo.commit()
    repo.write("core.c", CORE % 7)  # not committed, and not built here
    found = Editable(name="fast", version="1.0", project=repo.root, modules=(), compiled=True)
    stored, _ = overlay.build(draft(editables=(found,)), store)
    site = unpack(stored, tmp_path / "out") / "site"
    code = f"import sys; sys.path.insert(0, {str(site)!r}); import fast; print(fast.VALUE)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "7\n"
    assert not list(repo.root.glob("build"))
    # built once for the same sources
    began = time.monotonic()
    assert overlay.build(draft(editables=(found,)), store) == (stored, False)
    assert len(store.entries(Layer.WHEEL)) == 1
    assert time.monotonic() - began < 5


def test_a_compiled_module_that_nothing_here_can_build_travels_as_it_is(
    draft: Draft, store: Store, tmp_path: Path
) -> None:
    """An engine of `make install`, say, that a .pth file puts on the path."""
    installed = tmp_path / "opt/lib/python3/site-packages/engine"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    (installed / "_core.so").write_bytes(b"\x7fELF and more")
    site = tmp_path / "env/lib/python3.11/site-packages"
    site.mkdir(parents=True)
    (site / "engine.pth").write_text(f"{installed.parent}\n")
    stored, _ = overlay.build(draft(editables=find_editables(tmp_path / "env")), store)
    assert (unpack(stored, tmp_path / "out") / "site/engine/_core.so").read_bytes() == b"\x7fELF and more"


def test_a_compiled_package_that_does_not_compile(repository: Make, draft: Draft, store: Store) -> None:
    repo = repository("fast")
    repo.write("setup.py", COMPILED)
    repo.write("fast/__init__.py", "")
    repo.write("core.c", "this is no C")
    repo.commit()
    found = Editable(name="fast", version="1.0", project=repo.root, modules=(), compiled=True)
    with pytest.raises(WorkerEnvironmentError, match=r"fast .* could not be built") as caught:
        overlay.build(draft(editables=(found,)), store)
    log = Path(caught.value.hint.split("all output is in ")[1].split(";")[0])
    assert "core.c" in log.read_text()
    assert store.entries() == []


def used() -> float:
    """Return the CPU time of this process and those that it started: others may be busy as well."""
    return sum(os.times()[:4])


def test_the_edit_loop(repository: Make, draft: Draft, store: Store, tmp_path: Path) -> None:
    """2000 files: nothing changed is known within 0.3 s, a change is built within 1.5 s."""
    repo = repository("large")
    for number in range(2000):
        repo.write(f"src/my_pkg/part{number % 40}/module{number}.py", f"VALUE = {number}\n" * 30)
    repo.write("src/my_pkg/__init__.py", "VALUE = 1\n")
    repo.commit()
    prefix = tmp_path / "env"
    installed = editable(repo, prefix)
    for number in range(200):  # as many packages as an environment of 1 GB has
        path = prefix / "conda-meta" / f"p{number}-1.0-0.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"name": f"p{number}", "version": "1.0", "files": ["x" * 60] * 300}))

    def look() -> tuple[float, str, bool]:
        began = used()
        known = spec.inspect(
            prefix, spec.Kind.CONDA, leave_out=installed.files, cache=tmp_path / "known.json"
        )
        found = draft(editables=find_editables(prefix))
        _, built = overlay.build(found, store)
        return used() - began, f"{known.key} {found.key}", built

    _, first, built = look()
    assert built
    unchanged = [look() for _ in range(5)]
    assert {(key, built) for _, key, built in unchanged} == {(first, False)}
    # the machine may be busy with something else at any one moment, but not at all of them
    assert min(seconds for seconds, _, _ in unchanged) < 0.3
    changes = []
    for number in range(3):
        repo.write("src/my_pkg/__init__.py", f"VALUE = {number + 2}\n")
        if number == 1:
            repo.git("add", "-A")
        if number == 2:
            repo.write("src/my_pkg/fresh.py", "")
        changes.append(look())
    assert [built for _, _, built in changes] == [True] * 3
    assert min(seconds for seconds, _, _ in changes) < 1.5
    (repo.root / "src/my_pkg/fresh.py").unlink()
    repo.write("src/my_pkg/__init__.py", "VALUE = 1\n")
    _, key, built = look()
    assert (key, built) == (first, False)
