"""Each error that ends a run names a page about it, which is there without a network."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import nanoaod
import pytest
import running

import wq_runner
from wq_runner.cli import explain, pages
from wq_runner.errors import BatchSystemError, Problem, SamplesError, UsageError, WqRunnerError

PACKAGE = Path(wq_runner.__file__).parent


def kinds() -> dict[str, type[WqRunnerError]]:
    """Return every kind of error, those of single rooms too."""
    for path in PACKAGE.rglob("*.py"):
        if re.search(r"^class \w+Error\(", path.read_text(), re.MULTILINE):
            importlib.import_module(module_of(path))

    def below(kind: type[WqRunnerError]) -> Iterator[type[WqRunnerError]]:
        yield kind
        for one in kind.__subclasses__():
            yield from below(one)

    return {kind.__name__: kind for kind in below(WqRunnerError)}


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def places() -> Iterator[tuple[str, str]]:
    """Yield each place of the code that makes an error, and the page that it leads to."""
    known = kinds()
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in known:
                said = [one.value for one in node.keywords if one.arg == "page"]
                own = ast.literal_eval(said[0]) if said else known[name].page
                yield f"{path}:{node.lineno}", own


def test_every_place_has_a_page() -> None:
    found = dict(places())
    assert len(found) > 150  # else they are not found
    sections = pages.sections()
    assert not {place: page for place, page in found.items() if page not in sections}
    # and no page is about nothing
    assert sections.keys() == set(found.values())


def test_every_class_has_a_page() -> None:
    found = kinds()
    assert {"BuildError", "OptionError", "NoWorkersError"} <= found.keys()  # those of single rooms too
    assert {name for name, kind in found.items() if kind.page not in pages.sections()} == set()


def test_a_class_of_somebody_elses_has_that_of_its_family() -> None:
    class FullError(BatchSystemError):
        """Of a plug-in."""

    assert FullError("no room").page == "batch-systems"
    assert FullError("no room", page="surroundings").page == "surroundings"


def test_a_module_that_is_moved_leads_to_the_same_page() -> None:
    """Its errors are raised in code of another name, as if it were another module."""
    from wq_runner.workers import spec

    moved = types.ModuleType("somewhere.else")
    sys.modules[moved.__name__] = moved  # dataclasses look there
    try:
        exec(compile(Path(spec.__file__).read_text(), "else.py", "exec"), vars(moved))
    finally:
        del sys.modules[moved.__name__]
    for parse in (spec.parse, moved.parse):
        with pytest.raises(UsageError) as caught:
            parse("nowhere")
        assert caught.value.page == "workers"


def test_the_place_that_raises_says_more_than_the_class() -> None:
    problems = [Problem(where="a.cfg:1", text="no such file")]
    assert SamplesError("a.cfg", problems).page == "samples"
    assert SamplesError("a.cfg", problems, page="factory-files").page == "factory-files"


def test_the_message_leads_to_the_page(tmp_path: Path) -> None:
    (tmp_path / "broken.cfg").write_text("missing.json\n")
    failed = running.run("broken.cfg", cwd=tmp_path)
    [page] = re.findall(r"^more: wq-run explain (\S+)\Z", failed.err.rstrip("\n"), re.MULTILINE)
    shown = running.run("explain", page, cwd=tmp_path)
    assert shown.code == 0
    assert shown.out.startswith("## Samples\n\nThe samples cannot be understood.")


def test_on_a_terminal_it_is_set(tmp_path: Path) -> None:
    shown = running.on_terminal("explain", "no-workers", cwd=tmp_path, columns=80)
    assert shown.code == 0
    assert "## " not in shown.out
    assert "`" not in shown.out
    assert "wq-workers doctor looks at what the run says" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80


def test_pages_are_listed_and_wrong_names_answered(tmp_path: Path) -> None:
    listed = running.run("explain", cwd=tmp_path).out
    assert {line.split()[0] for line in listed.splitlines() if line[:2].strip()} == set(pages.sections())
    wrong = running.run("explain", "no-worker", cwd=tmp_path)
    assert wrong.code == 2
    assert "error: no page no-worker. Did you mean no-workers?" in wrong.error


def test_names_of_pages_are_anchors_of_the_document() -> None:
    text = (nanoaod.ROOT / "docs" / "errors.md").read_text()
    assert (PACKAGE / "errors.md").read_text() == text
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert len(headings) == len(pages.sections())
    assert all(re.fullmatch(r"[A-Z][a-z]*( [a-z]+)*", heading) for heading in headings)
    assert explain.cli.name == "wq-run explain"
