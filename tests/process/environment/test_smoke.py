"""The smoke test says what is missing there, where it comes from here, and how to add it."""

from __future__ import annotations

import pickle
import sys
import tarfile
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
        f"add it: wq-run --extra-file {mine} ..."
    )


def test_a_module_that_is_nowhere(subject: Subject) -> None:
    with pytest.raises(WorkerEnvironmentError, match="has no module no_such_module") as caught:
        check(subject, modules=["no_such_module"])
    assert "not installed" in caught.value.message
    assert "pip install no_such_module" in caught.value.hint


def test_a_package_that_is_installed_here() -> None:
    assert "of uproot" in smoke.where_from("uproot")
    assert smoke.how_to_add("uproot").endswith("-m pip install uproot")
    assert "of PyYAML" in smoke.where_from("yaml")
    assert smoke.how_to_add("yaml").endswith("pip install PyYAML")


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
