from __future__ import annotations

import json
from pathlib import Path

import pytest

from wq_runner.errors import SamplesError
from wq_runner.model import Dataset
from wq_runner.samples import load

TOPEFT = Path(__file__).parents[4] / "shared/data/topeft/input_samples"
needs_topeft = pytest.mark.skipif(
    not TOPEFT.exists(), reason="../shared/data, with the TopCoffea files, is not part of a clone"
)


def sample(path: Path, *files: str, **fields: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"files": files or [f"/store/{path.stem}.root"], **fields}))


def first_paths(name: str) -> dict[str, str]:
    return {dataset.name: dataset.files[0].path for dataset in load([name])}


def problems(*names: str) -> list[tuple[str, str]]:
    with pytest.raises(SamplesError) as caught:
        load(names)
    return [(problem.where, problem.text) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "text",
    [
        "root://h/\na.json\nb.json\n",
        "root://h/\r\na.json\r\nb.json\r\n",
        "\ufeffroot://h/\na.json\nb.json",
        "# é\n\n  root://h/   # where they are\n\ta.json\t# one\n#c.json\n b.json #two",
        "root://h/, a.json,b.json,\n",
        "a.json, b.json",
    ],
    ids=["lines", "crlf", "bom", "comments", "commas", "no prefix"],
)
def test_lines(here: Path, text: str) -> None:
    for name in "ab":
        sample(here / f"{name}.json")
    (here / "s.cfg").write_bytes(text.encode())
    base = "root://h/" if "root://" in text else ""
    assert first_paths("s.cfg") == {"a": f"{base}/store/a.root", "b": f"{base}/store/b.root"}


def test_a_comment_in_another_encoding_is_no_problem(here: Path) -> None:
    sample(here / "a.json")
    (here / "s.cfg").write_bytes("# caf\xe9\na.json".encode("latin-1"))
    assert list(first_paths("s.cfg")) == ["a"]


def test_a_prefix_holds_until_the_next(here: Path) -> None:
    for name in "abc":
        sample(here / f"{name}.json")
    (here / "s.cfg").write_text("a.json\nroot://h/\nb.json\nfile:///data/\nc.json\n")
    assert first_paths("s.cfg") == {
        "a": "/store/a.root",
        "b": "root://h//store/b.root",
        "c": "/data/store/c.root",
    }


def test_more_prefixes_on_a_line_are_fallbacks(here: Path) -> None:
    sample(here / "a.json")
    (here / "s.cfg").write_text("file:///data/ root://h/\troot://i/ \na.json\n")
    (dataset,) = load(["s.cfg"])
    assert dataset.files[0].path == "/data/store/a.root"
    assert dataset.files[0].fallbacks == ("root://h//store/a.root", "root://i//store/a.root")


def test_a_file_with_its_own_url_takes_no_prefix(here: Path) -> None:
    sample(here / "a.json", "xroot://own//x.root", "file:///data/y.root")
    (here / "s.cfg").write_text("root://h/\na.json\n")
    (dataset,) = load(["s.cfg"])
    assert [file.path for file in dataset.files] == ["root://own//x.root", "/data/y.root"]


def test_beside_the_cfg_comes_before_the_current_directory(here: Path) -> None:
    sample(here / "cfg/a.json", "/beside.root")
    sample(here / "a.json", "/current.root")
    sample(here / "b.json", "/current.root")
    (here / "cfg/s.cfg").write_text("a.json\nb.json\n")
    assert first_paths("cfg/s.cfg") == {"a": "/beside.root", "b": "/current.root"}


def test_a_prefix_stays_in_its_own_cfg(here: Path) -> None:
    for name in "abc":
        sample(here / f"{name}.json")
    (here / "inner.cfg").write_text("a.json\nroot://inner/\nb.json\n")
    (here / "outer.cfg").write_text("root://outer/\ninner.cfg\nc.json\n")
    assert first_paths("outer.cfg") == {
        "a": "/store/a.root",
        "b": "root://inner//store/b.root",
        "c": "root://outer//store/c.root",
    }


def test_all_problems_come_at_once(here: Path) -> None:
    sample(here / "cfg/jsons/DYJetsToLL.json")
    (here / "cfg/jsons/Fix.py").write_text("")
    (here / "cfg/broken.cfg").write_text(
        "# broken\n"
        "rooot://host.example//store\n"
        "jsons/DYJets.json\n"
        "jsons/Fix.py, nowhere/x.json\n"
        "root://h/ jsons/DYJetsToLL.json\n"
        "jsons\n"
        "https://host/x.json\n"
    )
    found = problems("cfg/broken.cfg")
    assert [where for where, _ in found] == [f"cfg/broken.cfg:{line}" for line in (2, 3, 4, 4, 5, 6, 7)]
    texts = [text for _, text in found]
    assert texts[0] == "rooot://host.example//store: unknown scheme rooot; nearest: root"
    assert texts[1] == (
        "jsons/DYJets.json: no such file (looked in cfg/, then in the current directory); "
        "nearest: DYJetsToLL.json"
    )
    for text, part in zip(
        texts[2:],
        ["not a samples file", "nor its directory", "not a prefix", f"file://{here}/cfg/jsons/", "local"],
        strict=True,
    ):
        assert part in text


def test_a_cfg_that_reads_itself_is_found(here: Path) -> None:
    (here / "a.cfg").write_text("b.cfg\n")
    (here / "b.cfg").write_text("\na.cfg\n")
    assert problems("a.cfg") == [("b.cfg:2", "reads itself: a.cfg > b.cfg > a.cfg")]


def test_the_same_file_twice_is_one_dataset(here: Path) -> None:
    sample(here / "a.json")
    (here / "s.cfg").write_text("root://h/\na.json\n./a.json\n")
    assert list(first_paths("s.cfg")) == ["a"]


@pytest.mark.parametrize(
    ("text", "part"),
    [("a.json\nd/a.json", "name a is taken: s.cfg:1"), ("a.json\nroot://h/, a.json", "with another prefix")],
    ids=["two files", "two prefixes"],
)
def test_a_repeated_name_is_an_error(here: Path, text: str, part: str) -> None:
    sample(here / "a.json")
    sample(here / "d/a.json")
    (here / "s.cfg").write_text(text)
    ((where, problem),) = problems("s.cfg")
    assert where == "s.cfg:2"
    assert part in problem


def test_a_root_url_in_a_cfg_is_a_file(here: Path) -> None:
    (here / "s.cfg").write_text("root://h/\nroot://other//store/nano.root\n")
    assert first_paths("s.cfg") == {"nano": "root://other//store/nano.root"}


@needs_topeft
@pytest.mark.parametrize(
    ("name", "datasets", "files", "start"),
    [
        ("CI_samples.cfg", 1, 1, "root://deepthought.crc.nd.edu//store/user/"),
        ("sync_samples.cfg", 1, 1, "root://ndcms.crc.nd.edu//store/mc/"),
        ("2022EE_data_samples.cfg", 8, 1124, "/cms/cephfs/data/store/data/Run2022"),
    ],
)
def test_real_cfgs_load_completely(name: str, datasets: int, files: int, start: str) -> None:
    fileset = load([str(TOPEFT / "cfgs" / name)])
    everything = [file for dataset in fileset for file in dataset.files]
    assert (len(fileset), len(everything)) == (datasets, files)
    assert all(file.path.startswith(start) for file in everything)


@needs_topeft
def test_a_real_sample_keeps_its_fields() -> None:
    (dataset,) = load([str(TOPEFT / "cfgs/sync_samples.cfg")])
    assert dataset.metadata == {
        "xsec": 0.2151,
        "year": "2017",
        "histAxisName": "ttHJetToNonbb_sync",
        "options": "",
        "WCnames": [],
        "nEvents": 119090,
        "nGenEvents": 119090,
        "nSumOfWeights": 117626.07473600001,
        "isData": False,
    }
    assert dataset.files[0].facts is None, "nEvents is not the number of entries"
    assert isinstance(dataset, Dataset)
    assert dataset.is_simulation is True


@needs_topeft
def test_a_real_cfg_names_every_line_that_cannot_be_resolved() -> None:
    name = str(TOPEFT / "cfgs/2022_mc_background_samples.cfg")
    lines = Path(name).read_text().splitlines()
    expected = [number for number, line in enumerate(lines, 1) if line.startswith("..")]
    assert len(expected) == 38
    assert [where for where, _ in problems(name)] == [f"{name}:{number}" for number in expected]
