"""Runs of less than everything: what was left out on purpose is recorded, and never missing."""

from __future__ import annotations

from pathlib import Path

import pytest
import running

from wq_runner.cli import run as command

SURVEY = ("-e", "iterative", "-o", "out")


def test_what_was_limited_is_recorded_and_not_missing(dimuon_samples: Path, tmp_path: Path) -> None:
    ended = running.run_well(
        *SURVEY,
        *("--only", "isData=false", "--skip", "DY*", "--chunksize", "DoubleMuon=10,TT*=300"),
        *("--limit-chunks", "TT*=3", dimuon_samples),
        cwd=tmp_path,
        XDG_CACHE_HOME=str(tmp_path / "cache"),  # nobody looked at these files before
    )
    summary = running.summary(tmp_path / "out")
    assert summary["complete"]
    assert summary["missing"] == []
    assert not (tmp_path / "out" / "missing.json").exists()
    account = summary["datasets"]["TTTo2L2Nu"]
    assert (account["chunks"], account["events_planned"], account["complete"]) == (3, 750, True)
    assert list(summary["datasets"]) == ["TTTo2L2Nu"]
    gone = {"files_left_out": 2, "files": 2}
    assert summary["limited"] == {
        "DYJetsToLL": {**gone, "events_left_out": None},
        "TTTo2L2Nu": {"files_left_out": 1, "files": 2, "events_left_out": 1250},
        "DoubleMuon": {**gone, "events_left_out": None},
    }
    assert summary["options"]["only"]["value"] == ["isData=false"]
    assert "left out on purpose: 2 of 3 datasets, 5 files, events not counted" in ended.out
    running.run_well("-e", "iterative", "-o", "all", dimuon_samples, cwd=tmp_path)
    assert running.summary(tmp_path / "all")["limited"] == {}
    # now all files are known
    running.run_well("-e", "iterative", "-o", "one", "--select", "DY*:*_1.root", dimuon_samples, cwd=tmp_path)
    assert running.summary(tmp_path / "one")["limited"]["DYJetsToLL"] == {
        "files_left_out": 1,
        "files": 2,
        "events_left_out": 1000,
    }


def test_a_part_has_a_directory_of_its_own(dimuon_samples: Path, tmp_path: Path) -> None:
    running.run_well("-e", "iterative", "--only", "TT*", "-lf", "1", dimuon_samples, cwd=tmp_path)
    assert (tmp_path / "wq-run-samples-part" / "output.coffea").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "TTo2L2Nu"], "--only TTo2L2Nu: no dataset of this name. Did you mean TTTo2L2Nu?"),
        (["--skip", "yer=2018"], "--skip yer=2018: no dataset has yer in its metadata. Did you mean year?"),
        (["-c", "DYJets=5"], "--chunksize: no dataset DYJets. Did you mean DYJetsToLL?"),
        (["--select", "TTo*:x.root"], "no dataset TTo*. Did you mean TTTo2L2Nu?"),
    ],
)
def test_nothing_starts_for_a_pattern_that_matches_nothing(
    dimuon_samples: Path,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.setattr("sys.argv", ["wq-run", *arguments, str(dimuon_samples)])
    with pytest.raises(SystemExit) as caught:
        command.main()
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {said}")
    assert list(here.iterdir()) == []


def test_a_probe_says_what_the_whole_takes(dimuon_samples: Path, tmp_path: Path) -> None:
    options: list[str] = []
    for _ in range(2):  # it measures each time
        ended = running.run_well("--probe", 2, "-c", 250, dimuon_samples, cwd=tmp_path)
        rows = {line.split()[0]: line.split() for line in ended.out.splitlines() if line}
        assert "2,000" in rows["DYJetsToLL"]  # events of both files
        assert rows["whole"][1:3] == ["6,000", "events,"]
        options = rows["suggested"][1:5]
        assert options[1] == "1000"  # four times what was measured
        assert (options[0], options[2]) == ("--chunksize", "--workers")
    assert {
        one["chunks"] for one in running.summary(tmp_path / "wq-run-samples-probe")["datasets"].values()
    } == {2}
    # what it suggests is understood
    dry = running.run_well("--dry-run", *options, dimuon_samples, cwd=tmp_path)
    assert f"at most {int(options[1]):,} events" in dry.out
