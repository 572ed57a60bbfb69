"""The smoke test says what is missing there, where it comes from here, and how to add it."""

from __future__ import annotations

import json
import pickle
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import cloudpickle
import pytest

from wq_runner.environment import smoke
from wq_runner.environment.launch import Launch
from wq_runner.environment.smoke import NEEDED, Subject, check
from wq_runner.errors import WorkerEnvironmentError


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    """A base whose Python is ours, which does not see the modules beside the tests."""
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    with tarfile.open(tmp_path / "base.tar", "w") as tar:
        tar.add(program, "bin/python")
    launch = Launch(kind="packed", base="key", base_archive="base.tar", cache=str(tmp_path / "unpacked"))
    return Subject(launch=launch, files={"base.tar": tmp_path / "base.tar"}, name="the environment key")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that is importable here only."""
    path = tmp_path / "lib" / "my_corrections.py"
    path.parent.mkdir()
    path.write_text("def correct(x): return x\n")
    monkeypatch.syspath_prepend(str(path.parent))
    monkeypatch.delitem(sys.modules, "my_corrections", raising=False)
    return path


def test_what_works(subject: Subject) -> None:
    answer = check(subject, modules=NEEDED, objects=[cloudpickle.dumps(lambda x: x)])
    assert "failure" not in answer
    assert answer["versions"] == smoke.versions()


def test_a_module_that_is_only_here(subject: Subject, mine: Path) -> None:
    import my_corrections  # type: ignore[import-not-found]

    with pytest.raises(WorkerEnvironmentError) as caught:
        check(subject, objects=[pickle.dumps(my_corrections.correct)])
    assert caught.value.exit_code == 4
    assert str(caught.value) == (
        "the environment key has no module my_corrections\n"
        f"here: {mine}\n"
        f"add it to the command: --extra-file {mine}"
    )


def test_a_module_that_is_nowhere(subject: Subject) -> None:
    with pytest.raises(WorkerEnvironmentError, match="has no module no_such_module") as caught:
        check(subject, modules=["no_such_module"])
    assert "not installed" in caught.value.message
    # nobody knows whose name it is in an index
    assert "pip install" not in caught.value.hint
    assert "from its own source" in caught.value.hint


def test_a_package_that_came_from_an_index() -> None:
    assert "of uproot" in smoke.where_from("uproot")
    assert smoke.how_to_add("uproot").endswith("-m pip install uproot")
    assert "of PyYAML" in smoke.where_from("yaml")
    assert smoke.how_to_add("yaml").endswith("pip install PyYAML")


@pytest.mark.parametrize(
    ("facts", "source"),
    [
        ({"url": "file:///home/me/my%20lib", "dir_info": {}}, "/home/me/my lib"),
        (
            {"url": "https://git.example.org/lib", "vcs_info": {"vcs": "git"}},
            "git+https://git.example.org/lib",
        ),
        (None, "--extra-file"),
    ],
)
def test_a_private_name_is_never_looked_for_in_an_index(
    facts: object, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever finds it free there could have taken it."""
    (tmp_path / "my_private.py").write_text("")
    info = tmp_path / "my_private-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-private\nVersion: 1.0\n")
    (info / "RECORD").write_text("my_private.py,,\n")
    if facts:
        (info / "INSTALLER").write_text("pip\n")
        (info / "direct_url.json").write_text(json.dumps(facts))
    monkeypatch.syspath_prepend(str(tmp_path))
    hint = smoke.how_to_add("my_private.inner")
    assert source in hint
    assert "install my" not in hint


def test_originals_are_out_of_reach(subject: Subject, tmp_path: Path) -> None:
    """What is found by an absolute path here is not there, and what was loaded from one is named."""
    originals = tmp_path / "analysis"
    originals.mkdir()
    (originals / "beside.py").write_text("VALUE = 1\n")
    (originals / "sf.json").write_text("{}")
    hidden = replace(subject, originals=(originals,))
    by_path = f"import sys\nsys.path.insert(0, {str(originals)!r})\nimport beside\n"
    check(subject, objects=[_code(by_path)])
    with pytest.raises(WorkerEnvironmentError, match="has no module beside"):
        check(hidden, objects=[_code(by_path)])
    by_file = (
        "import sys, importlib.util as util\n"
        f"spec = util.spec_from_file_location('beside', {str(originals / 'beside.py')!r})\n"
        "sys.modules['beside'] = module = util.module_from_spec(spec)\nspec.loader.exec_module(module)\n"
    )
    with pytest.raises(WorkerEnvironmentError) as caught:
        check(hidden, objects=[_code(by_file)])
    assert f"  beside: {originals / 'beside.py'}" in caught.value.message
    answer = check(hidden, objects=[_code(f"open({str(originals / 'sf.json')!r}).close()")])
    assert answer["opened"] == [str(originals / "sf.json")]
    # what was unpacked below such a directory is meant
    assert check(replace(subject, originals=(tmp_path,)), modules=NEEDED)["reached"] == {}


def _code(text: str) -> bytes:
    class Runs:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return exec, (text,)

    return pickle.dumps(Runs())


def test_an_import_that_fails_for_another_reason(subject: Subject) -> None:
    class Fails:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return eval, ("1 / 0",)

    with pytest.raises(WorkerEnvironmentError, match="would fail there with ZeroDivisionError"):
        check(subject, objects=[pickle.dumps(Fails())])


def test_other_versions(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = smoke.versions()
    monkeypatch.setattr(smoke, "versions", lambda: {**wanted, "coffea": "0.7.21", "python": "3.9"})
    with pytest.raises(WorkerEnvironmentError) as caught:
        check(subject)
    assert f"coffea {wanted['coffea']} there, 0.7.21 here" in caught.value.message
    assert f"python {wanted['python']} there, 3.9 here" in caught.value.message


def test_what_does_not_start(subject: Subject, tmp_path: Path) -> None:
    (tmp_path / "base.tar").write_bytes(b"no archive")
    with pytest.raises(
        WorkerEnvironmentError, match=r"does not work when it is unpacked: .*cannot be unpacked"
    ):
        check(subject)
