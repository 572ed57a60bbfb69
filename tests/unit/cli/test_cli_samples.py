from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import uproot

from wq_runner.cli import samples as command


@pytest.fixture
def analysis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two samples: one with two files, one with none."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            file.mktree("Events", {"x": "f8"}).extend({"x": np.zeros(600)})
    dy = {"files": ["a.root", "b.root"], "year": "2018", "xsec": 6025.2, "isData": False, "nEvents": 1}
    (tmp_path / "DY.json").write_text(json.dumps(dy))
    (tmp_path / "Muon.json").write_text(json.dumps({"files": [], "year": "2018", "isData": True}))
    (tmp_path / "s.cfg").write_text("DY.json\nMuon.json\n")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["wq-samples", *arguments])
    with pytest.raises(SystemExit) as caught:
        command.main()
    return caught.value.code


def test_list(analysis: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "list", "s.cfg") == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "dataset  files  entries  tree    metadata                             first file",
        f"DY           2           Events  simulation year=2018 xsec=6025.2 +1  {analysis}/a.root",
        "Muon         0        0          data year=2018                       no files",
        "",
        "2 datasets, 2 files",
    ]
    assert shown.err == "warning: Muon has no files\n"


def test_check_of_good_files(
    analysis: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(analysis.iterdir())
    assert run(monkeypatch, "check", "-j", "2", "s.cfg") == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "dataset  files  entries  bad",
        "DY           2    1,200",
        "Muon         0        0",
        "",
        "good         2 files, 1,200 entries",
    ]
    assert "opened 2 of 2 files, 0 bad" in shown.err
    assert sorted(analysis.iterdir()) == before


def test_check_of_bad_files(
    analysis: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (analysis / "b.root").read_bytes()
    (analysis / "b.root").write_bytes(whole[: len(whole) // 2])
    assert run(monkeypatch, "check", "s.cfg") == 3
    shown = capsys.readouterr()
    assert (
        f"  DY: {analysis}/b.root: cut short: {len(whole) // 2:,} of {len(whole):,} bytes are there"
        in shown.out
    )
    assert shown.out.splitlines()[-1] == "bad          1 of 2 files; the others have 600 entries"


def test_check_for_programs(
    analysis: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "check", "--json", "--treename", "Event", "s.cfg") == 3
    report = json.loads(capsys.readouterr().out)
    assert report["good"] is False
    dy, muon = report["datasets"]
    assert muon == {"name": "Muon", "files": 0, "entries": 0, "bad": []}
    assert min(dy["bad"], key=lambda bad: bad["path"]) == {
        "path": f"{analysis}/a.root",
        "cause": "no tree",
        "problem": "no tree Event; it has Events",
    }


def test_mistakes_end_with_2_and_no_traceback(
    analysis: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (analysis / "s.cfg").write_text("DZ.json\nrooot://h/\n")
    assert run(monkeypatch, "check", "s.cfg") == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: s.cfg has 2 problems",
        "  s.cfg:1   DZ.json: no such file (looked in the current directory); nearest: DY.json",
        "  s.cfg:2   rooot://h/: unknown scheme rooot; nearest: root",
        "more: wq-run explain samples",
    ]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom wq_runner.cli import samples\n"
        "samples.cli.main(['check', '--help'], standalone_mode=False)\n"
        "heavy = {'uproot', 'numpy', 'coffea', 'awkward', 'yaml', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
