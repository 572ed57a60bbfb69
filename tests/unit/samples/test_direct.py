from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wq_runner import checksums
from wq_runner.coffea_adapter import runner
from wq_runner.errors import SamplesError
from wq_runner.model import Chunk, InputFile
from wq_runner.samples import load
from wq_runner.samples.probe import probe
from wq_runner.samples.together import Direct


def touch(here: Path, *names: str) -> None:
    for name in names:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).touch()


def understood(*names: str, **direct: Any) -> dict[str, list[str]]:
    found = load(names, wanted=Direct(**direct))
    return {dataset.name: [file.path for file in dataset.files] for dataset in found}


def problem(*names: str, **direct: Any) -> str:
    with pytest.raises(SamplesError) as caught:
        load(names, wanted=Direct(**direct))
    (only,) = caught.value.problems
    return f"{only.where}: {only.text}"


def test_a_root_file_is_a_dataset(here: Path) -> None:
    touch(here, "a b ä.root")
    assert understood("a b ä.root") == {"a b ä": [f"{here}/a b ä.root"]}


def test_a_name_with_a_colon_or_brackets_is_only_a_name(here: Path) -> None:
    touch(here, "run:3/x.root", "y[1].root")
    assert understood("run:3/x.root", "y[1].root") == {
        "x": [f"{here}/run:3/x.root"],
        "y[1]": [f"{here}/y[1].root"],
    }


def test_files_of_the_same_name_are_told_apart(here: Path) -> None:
    touch(here, "18/DY/n.root", "17/DY/n.root", "TT/n.root", "o.root")
    names = ["18/DY/n.root", "17/DY/n.root", "TT/n.root", "o.root", "root://h//store/o.root"]
    assert list(understood(*names)) == ["18_DY_n", "17_DY_n", "TT_n", f"{here.name}_o", "store_o"]


def test_the_same_file_twice_is_one_dataset(here: Path) -> None:
    touch(here, "a.root")
    assert understood("a.root", "./a.root", str(here / "a.root")) == {"a": [f"{here}/a.root"]}


def test_files_of_a_directory_are_one_dataset(here: Path) -> None:
    touch(here, "DY/2.root", "DY/1.root", "DY/other.root", "TT/1.root", "WW/x.json")
    (here / "WW/x.json").write_text('{"WW": ["/ww.root"]}')
    dy = [f"{here}/DY/{number}.root" for number in (2, 1)]
    assert understood("DY/2.root", "DY/1.root", "DY/2.root", f"{here}/DY/1.root") == {"DY": dy}
    assert understood("DY/2.root,DY/1.root") == {"DY": dy}
    assert understood("DY/2.root", "WW/x.json", "TT/1.root", "DY/1.root") == {
        "DY": dy,
        "WW": ["/ww.root"],
        "TT": [f"{here}/TT/1.root"],
    }
    assert understood("DY/2.root", "DY/1.root", per_file=True) == {"2": dy[:1], "1": dy[1:]}
    assert understood("TT/1.root", "DY", per_file=True)["DY"] == sorted([*dy, f"{here}/DY/other.root"])


def test_files_of_a_directory_that_has_the_name_of_another(here: Path) -> None:
    names = [f"{year}/DY/{number}.root" for year in (17, 18) for number in (1, 2)]
    touch(here, *names)
    assert understood(*names) == {
        "17_DY": [f"{here}/{name}" for name in names[:2]],
        "18_DY": [f"{here}/{name}" for name in names[2:]],
    }


def test_files_of_a_directory_of_a_server() -> None:
    names = ["root://h//store/DY/1.root", "xrootd://h//store/DY/2.root", "https://w/TT/n.root?token=a/b.c"]
    assert understood(*names) == {
        "DY": ["root://h//store/DY/1.root", "root://h//store/DY/2.root"],
        "TT": ["https://w/TT/n.root?token=a/b.c"],
    }
    assert list(understood("root://h//1.root", "root://h//2.root")) == ["h"]


def test_a_name_for_all_files_that_are_given_themselves(here: Path) -> None:
    touch(here, "DY/1.root", "DY/2.root", "TT/1.root", "x.json")
    (here / "x.json").write_text('{"WW": ["/ww.root"]}')
    files = [f"{here}/{name}" for name in ("DY/1.root", "DY/2.root", "TT/1.root")]
    for names in (
        ("DY", "TT/1.root"),
        ("DY/*.root", "DY/1.root", "TT/*.root"),
        ("DY/1.root", "DY/2.root", "TT"),
    ):
        assert understood(*names, dataset="all") == {"all": files}
    assert understood("x.json", "DY/1.root", dataset="all") == {"all": files[:1], "WW": ["/ww.root"]}
    assert "it names data files on the command line" in problem("x.json", dataset="all")
    assert "leave one away" in problem("DY", dataset="all", per_file=True)
    assert "the sample name WW is taken" in problem("x.json", "DY", dataset="WW")


def test_a_directory_and_files_in_it_are_not_counted_twice(here: Path) -> None:
    touch(here, "DY/1.root", "DY/2.root")
    with pytest.raises(SamplesError) as caught:
        load(["DY", "DY/1.root", "DY/2.root"])
    assert [(one.where, one.text) for one in caught.value.problems] == [
        (f"DY/{number}.root", "it is in DY as well: its events would count twice") for number in (1, 2)
    ]
    touch(here, "TT/1.root")
    assert list(understood("DY", "DY/1.root", "TT/1.root")) == ["DY", "DY_1", "TT_1"], "as they were"


def test_files_of_two_trees_or_kinds_are_no_dataset(here: Path) -> None:
    touch(here, "DY/1.root", "DY/2.root", "DY/3.parquet")
    names = ("DY/1.root:A", "DY/2.root:A")
    assert [file.treename for file in load(names)[0].files] == ["A", "A"]
    assert "is taken" in problem(*names, "DY/1.root:B")
    assert "are of two kinds" in problem("DY/1.root", "DY/3.parquet")


def test_files_that_a_samples_file_names_are_as_it_says(here: Path) -> None:
    touch(here, "DY/1.root", "DY/2.root")
    (here / "x.cfg").write_text("DY/1.root\nDY/2.root\n")
    assert understood("x.cfg") == {"1": [f"{here}/DY/1.root"], "2": [f"{here}/DY/2.root"]}


def test_a_directory_is_one_dataset_with_all_below_it(here: Path) -> None:
    touch(here, "DY/b.root", "DY/a/c.root", "DY/x.txt", "far/z.root")
    (here / "DY/link").symlink_to(here / "far")
    (here / "DY/loop").symlink_to(here / "DY")
    files = [f"{here}/DY/{name}" for name in ("a/c.root", "b.root", "link/z.root")]
    assert understood("DY") == {"DY": files}
    assert understood("DY/") == {"DY": files}


def test_data_of_any_name_are_known_by_their_content_and_the_rest_is_said(
    here: Path, make_root: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    made = make_root("far/x.root")
    folder = here / "DAOD"
    folder.mkdir()
    data = ("DAOD_PHYSLITE.1._1.pool.root.1", "NANO.ROOT", "no_suffix", "a.dat", "sub.d/123")
    for name in data:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(made.read_bytes())
    (folder / "link").symlink_to(made)
    # what is not whole yet or put aside, what says that it is something else, and what is no data
    for name in ("b.root.part", "b.root.bak", "b.root~", ".b.root.swp", "b.txt"):
        (folder / name).write_bytes(made.read_bytes())
    (folder / "passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    os.mkfifo(folder / "pipe")
    with caplog.at_level(logging.WARNING):
        assert understood("DAOD") == {"DAOD": sorted(f"{here}/DAOD/{name}" for name in (*data, "link"))}
    said = "DAOD: passed over, as no data: .b.root.swp, b.root.bak, b.root.part and 4 more"
    assert caplog.messages == [said]
    named = ("DAOD/no_suffix", f"DAOD/{data[0]}")
    assert understood(*named) == {"DAOD": [f"{here}/{name}" for name in named]}
    assert understood(*named, per_file=True) == {
        "no_suffix": [f"{here}/DAOD/no_suffix"],
        "DAOD_PHYSLITE.1._1.pool": [f"{here}/DAOD/{data[0]}"],
    }
    assert len(understood("DAOD/[NDan]*")["DAOD"]) == 4
    [file] = load(["DAOD/sub.d/123"])[0].files
    assert probe(file).entries == probe(InputFile(path=str(made))).entries


def test_a_directory_that_cannot_be_looked_into_is_a_problem(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(here, "DY/a.root", "DY/closed/b.root")
    look = os.scandir

    def scandir(path: str) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return look(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert problem("DY") == "DY: DY/closed: Permission denied: what is in it is not known"


def test_a_url_of_a_numbered_file() -> None:
    assert understood("root://h//n.pool.root.12") == {"n.pool": ["root://h//n.pool.root.12"]}


def test_parquet_of_any_name(here: Path) -> None:
    (here / "plain").write_bytes(b"PAR1....")
    touch(here, "a.parq", "B.PARQUET")
    chunks = [
        Chunk(dataset="d", path=path, treename="Events", start=0, stop=1) for path in ("plain", "a.parq")
    ]
    assert runner._format(chunks) == "parquet"
    assert understood("plain", "a.parq", "B.PARQUET", per_file=True) == {
        name: [f"{here}/{file}"] for name, file in [("plain", "plain"), ("a", "a.parq"), ("B", "B.PARQUET")]
    }


def test_parquet_too(here: Path) -> None:
    touch(here, "DY/b.parquet")
    assert understood("DY") == {"DY": [f"{here}/DY/b.parquet"]}
    assert understood("DY/b.parquet") == {"b": [f"{here}/DY/b.parquet"]}


@pytest.mark.parametrize(
    ("pattern", "name", "count"),
    [
        ("data/DY/*.root", "DY", 2),
        ("data/DY/nano_*.root", "nano", 2),
        ("data/DY_20[0-9]?/*.root", "DY_20", 1),
        ("data/**/*.root", "data", 3),
    ],
)
def test_a_glob_is_one_dataset(here: Path, pattern: str, name: str, count: int) -> None:
    touch(here, "data/DY/nano_1.root", "data/DY/nano_2.root", "data/DY_2018/n.root")
    (dataset,) = load([pattern])
    assert (dataset.name, len(dataset.files)) == (name, count)


def test_a_glob_of_samples_files_is_each_of_them(here: Path) -> None:
    for name in "ab":
        (here / f"{name}.json").write_text(f'{{"files": ["/{name}.root"]}}')
    assert understood("*.json") == {"a": ["/a.root"], "b": ["/b.root"]}
    assert understood("a.json,b.json") == {"a": ["/a.root"], "b": ["/b.root"]}


def test_a_url_is_a_file() -> None:
    assert understood("xrootd://h//store/n.root") == {"n": ["root://h//store/n.root"]}
    assert understood("https://h/n.root?token=a/b.c") == {"n": ["https://h/n.root?token=a/b.c"]}


def test_what_is_missing_in_a_run_is_what_it_wrote(here: Path) -> None:
    touch(here, "out/x.root")
    missing = here / "out" / "missing.json"
    missing.write_text('{"A": {"files": {"/data/f1.root": "Events"}}}')
    written = {"path": "missing.json", "sha256": hashlib.sha256(missing.read_bytes()).hexdigest()}
    checksums.write_json(here / "out" / "run.json", {"missing_file": written})
    assert understood("out/missing.json") == {"A": ["/data/f1.root"]}
    missing.write_text('{"A": {"files": {"/data/f3.root": "Events"}}}')
    assert problem("out/missing.json").startswith("out/missing.json: not what the run wrote")
    assert understood(str(missing.rename(here / "out" / "mine.json"))) == {"A": ["/data/f3.root"]}


@pytest.mark.parametrize(
    ("summary", "text"),
    [
        ('{"complete": true}', "not there, as the run in out/ is complete: nothing is missing"),
        ('{"complete": false}', "no such file"),
        ("[]", "no such file"),
        ("{", "no such file"),
    ],
)
def test_nothing_is_missing_in_a_complete_run(here: Path, summary: str, text: str) -> None:
    touch(here, "out/x.root")
    sealed = checksums.sealed_json(summary) if summary.endswith("}") else summary
    (here / "out" / "run.json").write_text(sealed)
    assert problem("out/missing.json").startswith(f"out/missing.json: {text}")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nano_2.root", "nano_2.root: no such file (looked in the current directory); nearest: nano_1.root"),
        ("no/x.root", "no/x.root: no such file, nor its directory (looked in the current directory)"),
        ("x*.root", "x*.root: no file matches"),
        (
            "empty",
            "empty: no ROOT or parquet file in this directory; for the samples files in it: 'empty/*.json'",
        ),
        ("mixed", "mixed: holds ROOT and parquet files: name one kind with a glob, as in '*.root'"),
        ("rot://h//x.root", "rot://h//x.root: unknown scheme rot; nearest: root"),
        ("root://h//store/", "root://h//store/: not a .root file; a prefix goes into a .cfg"),
        ("notes.md", "notes.md: not a samples file: expected .cfg, .json"),
        ("notes.txt", "notes.txt: not a samples file; if its lines are: wq-run $(cat notes.txt), or"),
        ("x.txt", "x.txt: no such file (looked in the current directory)"),
        ("mine.py", "mine.py: a processor is named by an option: --processor mine.py:NAME (-p), and the"),
        ("mine.py:Mine", "mine.py:Mine: a processor is named by an option: --processor mine.py:Mine (-p)"),
        ("pkg.mine:Mine", "pkg.mine:Mine: a processor is named by an option: --processor pkg.mine:Mine (-p)"),
        ("b=2", "b=2: no such file; each NAME=VALUE needs an option of its own: --processor-args b=2"),
        (
            "year=2018",
            "year=2018: no such file; each NAME=VALUE needs an option of its own: --only year=2018",
        ),
        ("local:4", "local:4: workers are asked for by an option: --workers local:4 (-w)"),
    ],
)
def test_what_cannot_be_read_is_named(here: Path, name: str, text: str) -> None:
    touch(
        here,
        "nano_1.root",
        "empty/a.json",
        "mixed/a.root",
        "mixed/a.parquet",
        "notes.txt",
        "notes.md",
        "mine.py",
    )
    assert problem(name).startswith(text)


def test_no_names_are_an_error() -> None:
    assert "none given" in problem()


def test_problems_of_all_files_come_together(here: Path, make_root: Callable[..., Path]) -> None:
    make_root("good.root")
    with pytest.raises(SamplesError, match="the list of samples has 2 problems"):
        load(["a.root", "good.root", "b.cfg"])


def test_a_file_without_permission(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(here, "f.json")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert problem("f.json") == "f.json: no permission to read it"
