"""Documents that other communities have: what they are, and what is read of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wq_runner.errors import SamplesError
from wq_runner.model import Dataset
from wq_runner.samples import content, dialects, load


def write(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def read(name: str | Path) -> dict[str, Dataset]:
    return {dataset.name: dataset for dataset in load([str(name)])}


def paths_of(name: str | Path) -> dict[str, list[str]]:
    return {dataset.name: [file.path for file in dataset.files] for dataset in load([str(name)])}


def said(*names: str | Path) -> list[str]:
    with pytest.raises(SamplesError) as caught:
        load([str(name) for name in names])
    return [problem.text for problem in caught.value.problems]


DEFINED = {"das_names": ["/DY/x/NANOAODSIM"], "metadata": {"year": "2018", "isMC": True}}


@pytest.mark.parametrize(
    ("value", "dialect"),
    [
        ({"files": ["a.root"], "xsec": 1}, "sample"),
        (["/a.root", "/b.root"], "sample"),
        ({"a": ["/a.root"]}, "fileset"),
        ({"a": "a.root"}, "fileset"),
        ({"a": "a.root:T"}, "fileset"),
        ({"a": []}, "fileset"),
        ({"a": [{"path": "a.root"}]}, "fileset"),
        ({"tt": {"nominal": {"files": [{"path": "a.root", "nevts": 1}]}}}, "groups"),
        ({"2018": {"tt": {"nominal": {"files": ["a.root"]}}}}, "groups"),
        ({"2018": {"DY": ["/a.root"]}, "2017": {"DY": ["/b.root"]}}, "groups"),
        ({"id": {"wp": {"nominal": 0.5}, "sf": {"2018": ["egamma.root"]}}}, None),
        ({"redirector": "root://h/", "jsonFiles": ["a.json"]}, "redirected"),
        ({"ceph": {"jsonFiles": None}}, "redirected"),
        ({"DY": {"sample": "DY", "json_output": "a.json", "files": [DEFINED]}}, "definitions"),
        ({"DY": {"sample": "DY", "files": [DEFINED]}}, "definitions"),
        ({"samplejson": "a.json", "workflow": "base", "taggers": []}, "runner"),
        ({"name": "x", "samples": {"catalog": "a.json", "sample_list": ["ttH"]}}, "runner_catalog"),
        ({"ttH": ["ctG", "cpQM"]}, None),
        ({"sf": {"2018": {"file": "egamma.root"}}}, None),
        ({"sf": {"2018": {"files_dir": "/cvmfs/x"}}}, None),
        ({"eos-prefix": "root://eosuser.example/", "queue": "long"}, None),
        (3, None),
    ],
)
def test_what_a_document_is(value: Any, dialect: str | None) -> None:
    known = dialects.known()
    assert known.recognise(value) is (known.known[dialect] if dialect else None)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ({"HLT_triggers": {"2018": {"SingleMuon": ["IsoMu24"]}}}, "names of triggers"),
        ({"SingleEle": ["Ele32_WPTight"], "SingleMuon": ["IsoMu24", "IsoMu27"]}, "names of triggers"),
        ({"2017": ["HLT_a", "HLT_b"], "2018": ["HLT_c"]}, "names of triggers"),
        ({"355100": [[1, 5], [9, 12]], "355101": [[1, 2]]}, "luminosity sections"),
        ({"schema_version": 2, "corrections": [{"name": "x"}]}, "correctionlib"),
        ({"scaleout": 10, "eos-prefix": "root://eosuser.example/"}, "they go to --custom-run-options"),
        ({"DY": ["/DY/x-v1/NANOAODSIM"], "Data": "/EG/y-v1/NANOAOD"}, "list their files first"),
        ({"ttH": ["ctG"], "tHq": ["cpQM"]}, "nothing in it names a file of data (ttH: 'ctG' in files"),
        ({"lumi": {"picobarns": {"2018": 59740}}}, "lumi: has no list of files"),
        ("HLT_IsoMu24", "it is a str"),
        (["IsoMu24"], "it is a list"),
    ],
)
def test_what_is_no_samples_is_said_in_one_sentence(here: Path, value: object, part: str) -> None:
    (text,) = said(write(here / "x.json", json.dumps(value)))
    assert part in text


def test_settings_with_sections_are_no_cfg(here: Path) -> None:
    (text,) = said(write(here / "setup.cfg", "[metadata]\nname = x\nversion = 1, 2\n"))
    assert "settings with sections" in text


def test_one_dataset_without_files_beside_others_is_named(here: Path) -> None:
    assert said(write(here / "x.json", {"a": ["/a.root"], "b": ["HLT_x"], "xsec": 3})) == [
        "b: 'HLT_x' in files, expected the name of a file: it is none that is here",
        "xsec: 3, expected a list of files",
    ]


AGC = {
    "ttbar": {
        "nominal": {
            "nevts_total": 11,
            "files": [{"path": "https://h:1094//a.root", "nevts": 5}, {"path": "/b.root", "nevts": 6}],
        },
        "scaledown": {"nevts_total": 7, "files": [{"path": "/c.root", "nevts": 7}]},
    },
    "wjets": {"xsec": 15.5, "nominal": {"files": [{"path": "/d.root", "nevts": 1}]}},
}


def test_processes_and_variations_are_datasets(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = read(write(here / "nanoaod_inputs.json", AGC))
    assert {name: [file.path for file in one.files] for name, one in found.items()} == {
        "ttbar__nominal": ["https://h:1094//a.root", "/b.root"],
        "ttbar__scaledown": ["/c.root"],
        "wjets__nominal": ["/d.root"],
    }
    assert found["ttbar__nominal"].metadata == {
        "process": "ttbar",
        "variation": "nominal",
        "nevts": 11,
        "nevts_total": 11,
    }
    assert found["wjets__nominal"].metadata["xsec"] == 15.5
    assert all(file.facts is None for one in found.values() for file in one.files), "counted, not believed"
    assert not caplog.messages


def test_files_taken_out_are_not_in_the_number_of_events(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    document = {"tt": {"nominal": {"nevts_total": 11, "files": [{"path": "/a.root", "nevts": 5}]}}}
    assert read(write(here / "x.json", document))["tt__nominal"].metadata["nevts"] == 5
    (message,) = caplog.messages
    assert "nevts_total is 11, and its files have 5" in message


def test_groups_of_any_depth_and_their_mistakes(here: Path) -> None:
    document: dict[str, Any] = {
        "2018": {"tt": {"up": {"files": ["/a.root"]}}, "DY": ["/b.root"]},
        "2017": {"DY": {"files": ["/c.root"]}},
    }
    assert paths_of(write(here / "x.json", document)) == {
        "2018__tt__up": ["/a.root"],
        "2018__DY": ["/b.root"],
        "2017__DY": ["/c.root"],
    }
    document["2017"]["tt"] = {"file": ["/d.root"]}
    assert said(write(here / "x.json", document)) == ["2017__tt: has no list of files; it has file"]


def samples(folder: Path, *names: str) -> None:
    for name in names:
        write(folder / f"{name}.json", {"files": [f"/store/{name}.root"], "xsec": 1})


@pytest.mark.parametrize(
    ("redirector", "path"),
    [
        ("'root://h/'", "root://h//store/a.root"),
        ("file:///data/", "/data/store/a.root"),
        ("/ceph/cms/", "/ceph/cms/store/a.root"),
        ("", "/store/a.root"),
    ],
)
def test_sample_jsons_behind_a_redirector(here: Path, redirector: str, path: str) -> None:
    samples(here, "a")
    write(here / "s.yaml", f"redirector: {redirector}\njsonFiles:\n  - 'a.json'\n")
    assert paths_of("s.yaml") == {"a": [path]}


def test_groups_have_a_redirector_each(here: Path) -> None:
    samples(here, "a", "b")
    write(
        here / "s.yaml",
        "ceph: {redirector: 'root://h/ root://i/', jsonFiles: [a.json]}\n"
        "vast: {redirector: /project01/, jsonFiles: b.json}\n",
    )
    found = read("s.yaml")
    assert found["a"].files[0].fallbacks == ("root://i//store/a.root",)
    assert found["b"].files[0].path == "/project01/store/b.root"


def test_groups_in_groups_have_the_redirector_above_them_unless_they_have_one(here: Path) -> None:
    samples(here, "a", "b", "c")
    write(
        here / "s.yaml",
        "redirector: root://h/\n"
        "UL17:\n  signal: {jsonFiles: [a.json]}\n  data: {redirector: root://i/, jsonFiles: [b.json]}\n"
        "UL18: {jsonFiles: [c.json]}\n",
    )
    assert paths_of("s.yaml") == {
        "a": ["root://h//store/a.root"],
        "b": ["root://i//store/b.root"],
        "c": ["root://h//store/c.root"],
    }


def test_names_meant_from_elsewhere_in_the_checkout_are_found_and_said(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    samples(here / "repo/input/jsons", "a", "b")
    (here / "repo/.git").mkdir()
    text = "redirector: root://h/\njsonFiles: [../input/jsons/a.json, ../input/jsons/b.json]\n"
    write(here / "repo/input/cfgs/s.yaml", text)
    write(here / "repo/input/cfgs/s.cfg", "root://h/\n../input/jsons/a.json\n../input/jsons/b.json\n")
    expected = {"a": ["root://h//store/a.root"], "b": ["root://h//store/b.root"]}
    for name in ("s.yaml", "s.cfg"):
        caplog.clear()
        assert paths_of(f"repo/input/cfgs/{name}") == expected
        assert caplog.messages == [
            f"repo/input/cfgs/{name}: the files that it names are taken from {here}/repo"
        ]


def test_mistakes_behind_redirectors_come_at_once(here: Path) -> None:
    samples(here, "abc")
    write(
        here / "s.yaml",
        "one: {redirector: 'rooot://h/', jsonFiles: [abc.json]}\n"
        "two: {jsonFiles: [abd.json]}\nthree: {redirector: 'root://h/'}\nfour: {jsonFiles: 3}\n",
    )
    texts = said("s.yaml")
    assert [text.split(":")[0] for text in texts] == ["one", "two", "three", "four"]
    assert "nearest: root" in texts[0]
    assert "nearest: abc.json" in texts[1]


def definitions(here: Path) -> Path:
    data = {"das_names": ["/EG/y/NANOAOD"], "metadata": {"year": "2018", "isMC": False, "era": "A"}}
    part = {"das_names": ["/DY/z/NANOAODSIM"], "metadata": {"year": "2017", "isMC": True, "part": "M50"}}
    document = {
        "DY": {"sample": "DY", "json_output": "datasets/MC.json", "files": [DEFINED, part]},
        "EGamma": {"sample": "DATA", "json_output": "datasets/DATA.json", "files": [data]},
    }
    return write(here / "datasets/datasets_definitions.json", document)


def built(here: Path, name: str, *datasets: str) -> None:
    body = {one: {"files": [f"root://h//{one}.root"], "metadata": {"isMC": "True"}} for one in datasets}
    write(here / "datasets" / name, body)


def test_definitions_are_followed_to_what_was_built(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = definitions(here)
    built(here, "MC.json", "DY_2018", "DY_M50_2017", "TT_2018")
    built(here, "DATA.json", "EGamma_2018_EraA")
    assert list(read(path)) == ["DY_2018", "DY_M50_2017", "EGamma_2018_EraA"]
    assert "left out, as not defined here: TT_2018" in caplog.messages[-1]


def test_definitions_are_followed_to_files_by_year(here: Path) -> None:
    path = definitions(here)
    built(here, "MC_2018.json", "DY_2018")
    built(here, "MC_2017.json", "DY_M50_2017")
    built(here, "DATA_2018.json", "EGamma_2018_EraA")
    assert sorted(read(path)) == ["DY_2018", "DY_M50_2017", "EGamma_2018_EraA"]


def test_definitions_say_what_to_run_first(here: Path) -> None:
    path = definitions(here)
    (text,) = said(path)
    assert f"pocket-coffea build-datasets --cfg {path} -o" in text
    assert "which writes datasets/MC.json, datasets/DATA.json" in text
    built(here, "MC_redirector.json", "DY_2018")
    assert "or name datasets/MC_redirector.json, which is there" in said(path)[0]


def test_a_dataset_that_was_not_built_is_missed(here: Path) -> None:
    path = definitions(here)
    built(here, "MC.json", "DY_2018")
    built(here, "DATA.json", "EGamma_2018_EraA")
    (text,) = said(path)
    assert text.startswith("DY_M50_2017: defined, and not in what was written")


def test_an_analysis_of_higgsdna_is_followed_to_its_samples(here: Path) -> None:
    write(here / "cfg/samples.json", {"ggh": ["root://h//g.root"], "Data": ["root://h//d.root"]})
    years = {"ggh": ["2022postEE"], "Data": ["2022preEE", "2022postEE"]}
    runner = {"samplejson": "samples.json", "workflow": "base", "year": years, "corrections": {"ggh": []}}
    found = read(write(here / "cfg/runner.json", runner))
    assert {name: dict(one.metadata) for name, one in found.items()} == {
        "ggh": {"year": "2022postEE"},
        "Data": {"year": ["2022preEE", "2022postEE"]},
    }
    (text,) = said(write(here / "cfg/runner.json", {**runner, "samplejson": "sample.json"}))
    assert "samplejson: sample.json: no such file" in text
    assert "nearest: samples.json" in text


def test_the_years_of_an_analysis_choose_its_datasets(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(here / "samples.json", {"ggh": ["root://h//g.root"], "Data": ["root://h//d.root"]})
    runner: dict[str, Any] = {"samplejson": "samples.json", "workflow": "base"}
    found = read(write(here / "some.json", {**runner, "year": {"ggh": ["2022preEE"], "vbf": ["2022preEE"]}}))
    assert list(found) == ["ggh"]
    assert "some.json: not in `year`, and so left out as by run_analysis.py: Data" in caplog.text
    assert "some.json: in `year`, but not in samples.json: vbf" in caplog.text
    none: dict[str, Any] | None
    for none in ({}, None):
        assert list(read(write(here / "all.json", {**runner, "year": none}))) == ["ggh", "Data"]
    (text,) = said(write(here / "none.json", {**runner, "year": {"vbf": ["2022preEE"]}}))
    assert "`year` names no dataset of samples.json, which has ggh, Data" in text


def test_a_catalog_of_higgsdna_has_its_years(here: Path) -> None:
    catalog = {
        "ttH": {
            "xs": {"2017": 1.5, "2018": 2.5},
            "bf": 0.5,
            "files": {"2017": "/a.root", "2018": ["/b.root"]},
        },
        "GJets": {"xs": 3.5, "files": {"2017": ["/c.root"]}},
    }
    write(here / "metadata/samples/catalog.json", catalog)
    found = read("metadata/samples/catalog.json")
    assert {name: dict(one.metadata) for name, one in found.items()} == {
        "ttH_2017": {"xs": 1.5, "bf": 0.5, "year": "2017"},
        "ttH_2018": {"xs": 2.5, "bf": 0.5, "year": "2018"},
        "GJets_2017": {"xs": 3.5, "year": "2017"},
    }
    wanted: dict[str, Any] = {
        "catalog": "metadata/samples/catalog.json",
        "sample_list": ["ttH"],
        "years": ["2018"],
    }
    path = write(here / "metadata/analysis/tth.json", {"name": "tth", "samples": wanted})
    assert list(read(path)) == ["ttH_2018"]
    wanted["sample_list"] = ["ttH", "VH"]
    (text,) = said(write(path, {"name": "tth", "samples": wanted}))
    assert text.startswith("VH: in sample_list, but not in")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.root:Events", ("a.root", "Events")),
        ("root://h:1094//a.root:dir/T", ("root://h:1094//a.root", "dir/T")),
        ("/a.root.1:T;2", ("/a.root.1", "T;2")),
        ("root://h.root:1094//a.root", ("root://h.root:1094//a.root", None)),
        ("root://h:1094//a.root", ("root://h:1094//a.root", None)),
        ("a.root:T,b.root", ("a.root:T,b.root", None)),
        ("a.parquet:T", ("a.parquet:T", None)),
    ],
)
def test_a_file_and_its_tree(name: str, parts: tuple[str, str | None]) -> None:
    assert content.split_tree(name) == parts


@pytest.mark.parametrize(
    "value",
    [
        {"ds": "d/a.root:T"},
        {"ds": ["d/a.root:T"]},
        {"ds": {"files": "d/a.root:T"}},
        {"ds": {"files": {"d/a.root:T": "T"}}},
        {"ds": {"files": [{"path": "d/a.root", "treename": "T"}]}},
        {"ds": {"files": "d/a.root", "treename": "T"}},
        {"ds": ["d/*.root:T"]},
        {"ds": {"files": ["d/"], "treename": "T"}},
        "d/a.root:T",
        "d/*.root:T",
    ],
)
def test_one_file_in_every_spelling(here: Path, value: object) -> None:
    (here / "d").mkdir()
    (here / "d/a.root").touch()
    (dataset,) = load([value if isinstance(value, str) else str(write(here / "x.json", value))])
    assert [(file.path, file.treename) for file in dataset.files] == [(f"{here}/d/a.root", "T")]


@pytest.mark.parametrize(
    ("files", "part"),
    [
        ({"a.root:T": "U"}, "its tree is called T and U"),
        (["root://h//d/"], "a directory on a server"),
        (["root://h//d/*.root"], "a pattern on a server"),
        (["/nowhere/*.root"], "no file matches"),
        (["/a.root", "/DY/x-v1/NANOAODSIM"], "a dataset of DAS, not a file"),
        ({"d/*.root": {"num_entries": 5}}, "2 files, of which num_entries"),
        (["d/*.root", "d/a.root"], "d/a.root is listed twice (also as d/*.root)"),
    ],
)
def test_names_that_stand_for_no_file_or_too_many(here: Path, files: object, part: str) -> None:
    (here / "d").mkdir()
    for name in "ab":
        (here / f"d/{name}.root").touch()
    (text,) = said(write(here / "x.json", {"ds": {"files": files}}))
    assert part in text


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("/ceph/cms/", "/ceph/cms/store/a.root"),
        ("/ceph/cms", "/ceph/cms/store/a.root"),
        ("HERE/data", "HERE/data/store/a.root"),
        ("data/", "HERE/data/store/a.root"),
    ],
)
def test_a_directory_in_a_cfg_is_a_prefix_and_said(
    here: Path, caplog: pytest.LogCaptureFixture, line: str, path: str
) -> None:
    samples(here, "a")
    (here / "data").mkdir()
    write(here / "s.cfg", f"{line.replace('HERE', str(here))}\na.json\n")
    assert paths_of("s.cfg") == {"a": [path.replace("HERE", str(here))]}
    (message,) = caplog.messages
    assert message.startswith("s.cfg:1: ")
    assert ("which is not on this machine" in message) == line.startswith("/ceph")


def test_directories_and_urls_are_fallbacks_of_each_other(here: Path) -> None:
    samples(here, "a")
    write(here / "s.cfg", "/ceph/cms/ root://h/\na.json\n")
    (file,) = read("s.cfg")["a"].files
    assert (file.path, file.fallbacks) == ("/ceph/cms/store/a.root", ("root://h//store/a.root",))


def test_a_samples_file_that_is_not_there_is_no_directory(here: Path) -> None:
    samples(here, "abc")
    write(here / "s.cfg", f"{here}/abd\n{here}/abd.json\n{here}/abc.json\n")
    assert all("no such file" in text for text in said("s.cfg"))
