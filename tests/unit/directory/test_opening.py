from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from wq_runner.directory.opening import default_directory, open_directory, start_logging
from wq_runner.errors import OutputError


@pytest.mark.parametrize(
    ("samples", "name"),
    [
        (["cfg/samples.cfg"], "wq-run-samples"),
        (["a.json.gz", "b.cfg"], "wq-run-a"),
        (["/data/DYJets 2018/*.root"], "wq-run-samples"),
        (["/data/DYJets 2018/"], "wq-run-DYJets~_2018"),
        (["root://host.example//store/nano_1.root"], "wq-run-nano_1"),
        (["/"], "wq-run-samples"),
    ],
)
def test_default(samples: list[str], name: str) -> None:
    assert str(default_directory(samples)) == name


def test_made_and_cleared_of_what_is_half_done(tmp_path: Path) -> None:
    root = tmp_path / "a" / "b"
    paths, lock = open_directory(root)
    with lock:
        (paths.staging / "1.result").write_text("of a task that ran")
        for kept in (paths.journal, paths.output, paths.ledger / "part-1"):
            kept.write_text("of the run before")
    _, lock = open_directory(root)
    with lock:
        assert not list(paths.staging.iterdir())
        assert all(kept.exists() for kept in (paths.journal, paths.output, paths.ledger / "part-1"))


def test_a_part_of_the_samples_has_a_directory_of_its_own() -> None:
    assert str(default_directory(["a/samples.cfg"], part="test")) == "wq-run-samples-test"


def test_one_run_at_a_time(tmp_path: Path) -> None:
    _, lock = open_directory(tmp_path / "out")
    with lock, pytest.raises(OutputError, match="another wq-run works in"):
        open_directory(tmp_path / "out")
    _, lock = open_directory(tmp_path / "out")
    with lock:
        pass


def test_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    for place in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(
            OutputError, match=r"cannot be used for the output: (File exists|Not a directory)"
        ):
            open_directory(place)


@pytest.fixture
def own_handlers() -> Iterator[None]:
    log = logging.getLogger("wq_runner")
    before = (log.handlers, log.level, log.propagate)
    yield
    log.handlers, log.level, log.propagate = before


@pytest.mark.usefixtures("own_handlers")
def test_the_file_has_all_and_the_terminal_what_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = start_logging(tmp_path / "log", "warning")
    log = logging.getLogger("wq_runner.some.part")
    log.debug("said to the file")
    log.warning("said to both")
    handler.close()
    text = (tmp_path / "log").read_text()
    assert "said to the file" in text
    assert "said to both" in text
    assert capsys.readouterr().err == "WARNING: said to both\n"


@pytest.mark.usefixtures("own_handlers")
def test_the_terminal_gets_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handler = start_logging(tmp_path / "log", "warning")
    log = logging.getLogger("wq_runner.some.part")
    log.warning("no report", exc_info=ValueError("why"))
    handler.close()
    assert "ValueError: why" in (tmp_path / "log").read_text()
    assert capsys.readouterr().err == "WARNING: no report\n"
