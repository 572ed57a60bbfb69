"""One processor or several, as they are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from wq_runner.cli.run import cli as command
from wq_runner.config import processors


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([], None),
        (["a.py:A"], {"": "a.py:A"}),
        (["a,b.py:A"], {"": "a,b.py:A"}),
        (["a.py:A", "b.py:B"], {"": "b.py:B"}),  # as of every option
        (["year=2018/a.py:A"], {"year": "2018/a.py:A"}),
        (["./year=2018/a.py:A"], {"": "./year=2018/a.py:A"}),
        (["ee=a.py:EE", "mm=pkg.b:MM"], {"ee": "a.py:EE", "mm": "pkg.b:MM"}),
        (["ee=a.py:EE, mm=b.py:MM", "em=c"], {"ee": "a.py:EE", "mm": "b.py:MM", "em": "c"}),
    ],
)
def test_what_is_joined_is_read_again(texts: list[str], found: dict[str, str] | None) -> None:
    joined = processors.join(texts)
    assert (joined and processors.parse(joined)) == found


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["ee=a.py:A", "b.py:B"], "b.py:B: several processors need names"),
        (["ee=a.py:A,b.py:B"], "need names"),
        (["ee=a.py:A", "ee=b.py:B"], "named ee"),
    ],
)
def test_what_is_no_list_of_processors(texts: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        processors.join(texts)


def test_files_are_found_beside_the_file_that_names_them() -> None:
    text = processors.path(
        "ee=a.py:EE,mm=pkg.b:MM", lambda name: f"/dir/{name}" if name.endswith(".py") else name
    )
    assert text == "ee=/dir/a.py:EE,mm=pkg.b:MM"


def test_a_mapping_in_a_file_of_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "options.yaml").write_text("processor:\n  ee: a.py:EE\n  mm: a.py:MM\n")
    (tmp_path / "a.py").write_text("")
    ended = CliRunner().invoke(command, ["-ro", "options.yaml", "--write-options", "all.yaml"])
    assert ended.exit_code == 0, ended.output
    assert f"processor: ee={tmp_path}/a.py:EE,mm={tmp_path}/a.py:MM" in (tmp_path / "all.yaml").read_text()
