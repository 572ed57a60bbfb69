"""What a result is written to, where not all of it can be made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wq_runner import system
from wq_runner.errors import OutputError, ProcessorError
from wq_runner.output import result_files
from wq_runner.output.result_files import Form
from wq_runner.remote import abilities
from wq_runner.remote.several import Several
from wq_runner.system import RunPaths


class Ended:
    """A processor of which only the end matters."""

    def __init__(self, postprocess: Callable[[Any], Any]) -> None:
        self.postprocess = postprocess


SUMS: dict[tuple[str, str], Any] = {
    (name, ""): {"out": {"x": value}, "processed": set()} for name, value in (("a", 1), ("b", {2}), ("c", 3))
}
GROUPS = {"a": "numbers", "b": "sets", "c": "numbers"}


def load(path: Path) -> Any:
    from coffea.util import load

    return load(path)


def test_what_needs_no_sum_across_datasets_is_written(tmp_path: Path) -> None:
    paths = RunPaths(root=tmp_path)
    whole = result_files.write(SUMS, None, paths, Form())
    assert isinstance(whole.problem, ProcessorError)
    assert not whole.files
    assert f"wq-report merge {tmp_path} --outputs per-dataset" in whole.problem.hint
    apart = result_files.write(SUMS, None, paths, Form(scheme="per-dataset"))
    assert apart.problem is None
    assert [one["path"] for one in apart.files] == [f"outputs/{name}.coffea" for name in "abc"]
    grouped = result_files.write(SUMS, None, paths, Form(scheme="group:kind", names=GROUPS))
    assert grouped.problem is None
    assert load(tmp_path / "outputs/numbers.coffea") == {"x": 4}
    mixed = result_files.write(SUMS, None, paths, Form(scheme="group:kind", names={**GROUPS, "b": "numbers"}))
    assert mixed.problem is not None
    assert not mixed.files


def test_one_of_several_processors_that_fails_keeps_no_other_from_its_result(tmp_path: Path) -> None:
    paths = RunPaths(root=tmp_path)
    sums = {
        (f"{name}.{of}", ""): SUMS[of, ""]
        for name in ("ee", "mm")
        for of in ("b", "c")
        if of == "b" or name == "mm"
    }
    both = Several({"ee": Ended(lambda output: output), "mm": Ended(lambda output: output)})
    written = result_files.write(sums, both, paths, Form())
    assert load(tmp_path / "output.coffea") == {
        "ee": {"x": {2}}
    }  # sets and numbers of mm are not to be added
    assert isinstance(written.problem, ProcessorError)
    assert "mm.b" in str(written.problem)
    fails = Several({"ee": Ended(fails_for_b), "mm": Ended(fails_for_b)})
    apart = {of: one for of, one in sums.items() if of != ("mm.b", "")}
    written = result_files.write(apart, fails, paths, Form())
    assert load(tmp_path / "output.coffea") == {"mm": {"x": 3}}
    assert "postprocess failed for ee" in str(written.problem)
    names = {"ee.b": "ee", "mm.c": "mm"}
    written = result_files.write(apart, fails, paths, Form(scheme="per-processor", names=names))
    assert [one["path"] for one in written.files] == ["outputs/mm.coffea"]
    assert load(tmp_path / "outputs/mm.coffea") == {"x": 3}


def fails_for_b(output: Any) -> Any:
    return Path("/nowhere/weights.json").read_text() if output["x"] == {2} else output


def test_a_postprocess_that_fails_is_the_processors_own(tmp_path: Path) -> None:
    written = result_files.write(
        SUMS, Ended(fails_for_b), RunPaths(root=tmp_path), Form(scheme="per-dataset")
    )
    assert [one["path"] for one in written.files] == ["outputs/a.coffea", "outputs/c.coffea"]
    assert isinstance(written.problem, ProcessorError)
    text = str(written.problem)
    assert "the processor's postprocess failed for b" in text
    assert "weights.json" in text
    assert 'return Path("/nowhere/weights.json")' in text
    assert "wq_runner/" not in text


@pytest.mark.parametrize(
    ("takes", "postprocess", "result", "noted"),
    [
        pytest.param(True, lambda output: {"n": 1}, {"n": 1}, False, id="it is taken"),
        pytest.param(False, lambda output: {"n": 1}, {"x": 4}, True, id="it is dropped"),
        pytest.param(False, lambda output: output, {"x": 4}, False, id="nothing to drop"),
        pytest.param(False, lambda output: output.update(x=5), {"x": 5}, False, id="in place"),
    ],
)
def test_what_coffea_drops_of_postprocess_is_said(
    takes: bool, postprocess: Any, result: Any, noted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abilities, "takes_what_postprocess_returns", lambda: takes)
    sums = {of: {**one, "out": dict(one["out"])} for of, one in SUMS.items() if of[0] != "b"}
    written = result_files.write(sums, Ended(postprocess), RunPaths(root=tmp_path), Form())
    assert load(tmp_path / "output.coffea") == result
    assert len(written.notes) == noted
    assert all("postprocess" in note for note in written.notes)


def ends(output: Any) -> Any:
    raise SystemExit("no luminosity for this era")


def lacks_memory(output: Any) -> Any:
    raise MemoryError


def needs_more(output: Any, more: Any) -> Any:
    return more


def returns_a_lock(output: Any) -> Any:
    return {"lock": threading.Lock()}


@pytest.mark.parametrize("postprocess", [ends, lacks_memory, needs_more, returns_a_lock])
def test_whatever_it_does_nothing_else_is_blamed(postprocess: Any, tmp_path: Path) -> None:
    sums = {("a", ""): SUMS["a", ""]}
    written = result_files.write(sums, Ended(postprocess), RunPaths(root=tmp_path), Form())
    assert isinstance(written.problem, ProcessorError)
    assert "what they returned is kept" in written.problem.hint
    assert "wq_runner/" not in str(written.problem)
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_not_there_has_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/proc/nowhere")
    for name in ("/proc/nowhere", "/proc/nowhere/.cache/wq-runner/environments"):
        error = system.refused(FileNotFoundError(2, "No such file or directory", name))
        assert error.message == f"{name}: No such file or directory"
        assert "XDG_CACHE_HOME" in error.hint


def test_a_place_that_is_taken_is_named(tmp_path: Path) -> None:
    (tmp_path / "output.coffea" / "inside").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"output\.coffea: Is a directory"):
        result_files.write({("a", ""): SUMS["a", ""]}, None, RunPaths(root=tmp_path), Form())
