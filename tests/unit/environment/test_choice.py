"""Which environment is chosen, and why it says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wq_runner.environment.choice import Mode, Wish, analysis_directory, choose
from wq_runner.errors import UsageError


@pytest.fixture
def conda(tmp_path: Path) -> Path:
    (tmp_path / "env/conda-meta").mkdir(parents=True)
    return tmp_path / "env"


@pytest.mark.parametrize(
    ("wish", "mode", "reason"),
    [
        (Wish(), Mode.PACKED, "workers may be anywhere"),
        (Wish(workers_here=True), Mode.SHARED, "the workers run on this machine"),
        (Wish(environment="packed", workers_here=True), Mode.PACKED, "as asked for"),
        (Wish(environment="none"), Mode.NONE, "as asked for"),
        (Wish(environment="shared"), Mode.SHARED, "as asked for"),
    ],
)
def test_modes(wish: Wish, mode: Mode, reason: str, conda: Path) -> None:
    assert choose(wish, conda) == (mode, reason)


def test_a_bare_interpreter_cannot_be_packed(tmp_path: Path) -> None:
    mode, reason = choose(Wish(), tmp_path)
    assert (mode, reason) == (Mode.SHARED, f"{tmp_path} is no environment that could be packed")


def test_files_and_mistakes(here: Path) -> None:
    (here / "env.tar.gz").write_text("")
    found = Wish(environment="env.tar.gz")
    assert (choose(found)[0], found.is_tarball) == (Mode.PACKED, True)
    with pytest.raises(UsageError, match=r"worker.yml: no such file"):
        choose(Wish(environment="worker.yml"))
    with pytest.raises(UsageError, match=r"no environment pakced. Did you mean packed\?"):
        choose(Wish(environment="pakced"))


def test_the_directory_of_an_analysis(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "sub").mkdir()
    (here / "sub/processor.py").write_text("")
    (here / "mine").mkdir()
    (here / "mine/__init__.py").write_text("")
    (here / "spaced").mkdir()
    monkeypatch.syspath_prepend(str(here))
    assert analysis_directory(None) is None
    assert analysis_directory("sub/processor.py:P") == here / "sub"
    assert analysis_directory("sub/processor.py") == here / "sub"
    assert analysis_directory("mine.processor:P") == here
    assert analysis_directory("spaced.processor:P") == here
    assert analysis_directory("coffea.processor:P") is None
    assert analysis_directory("no_such_module:P") is None
    assert Path(sys.prefix) != here
