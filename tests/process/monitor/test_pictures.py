"""Pictures of Work Queue's statistics, of a run, and of the histograms in an output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hist
import pytest
from click.testing import CliRunner
from coffea.util import save

from wq_runner.cli import report as cli
from wq_runner.errors import UsageError
from wq_runner.monitor import drawing, histograms, pictures, plots, stats_log
from wq_runner.monitor.view import RunView

HEADER = (
    "# timestamp workers_connected workers_busy workers_joined tasks_waiting tasks_done total_cores "
    "committed_cores total_memory bytes_sent time_send time_receive time_status_msgs time_internal "
    "time_polling time_application time_execute time_execute_good something_new"
)
SIGNATURES = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


def write_log(path: Path, lines: int = 20, *, header: str = HEADER) -> Path:
    names = header[1:].split()
    rows = [
        " ".join(
            str(1_700_000_000_000_000 + n * 1_000_000 if name == "timestamp" else n * 1000) for name in names
        )
        for n in range(lines)
    ]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def call(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli.cli, [str(one) for one in arguments], catch_exceptions=False)
    return done.exit_code, done.output


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_pictures_of_a_log(tmp_path: Path, kind: str) -> None:
    code, out = call("plot", write_log(tmp_path / "stats.log"), "--plots", kind)
    assert code == 0
    made = sorted((tmp_path / "plots").iterdir())
    assert len(made) == len(out.splitlines()) >= 10
    assert {path.suffix for path in made} == {f".{kind}"}
    assert all(path.read_bytes().startswith(SIGNATURES[kind]) for path in made)


def test_columns_are_found_by_name_and_torn_lines_left_out(tmp_path: Path) -> None:
    path = write_log(tmp_path / "stats.log", header="# workers_connected timestamp time_send")
    with path.open("a") as stream:
        stream.write("# workers_connected timestamp time_send\n5 1700000100000000 7\n1 17")
    log = stats_log.read(path)
    assert log.columns["workers_connected"][-1] == 5
    assert log.seconds[-1] == pytest.approx(100)
    assert log.columns["time_send"][1] == pytest.approx(0.001)


def test_rates_survive_a_manager_that_starts_again() -> None:
    log = stats_log.StatsLog(seconds=[0, 1, 2, 3], columns={"n": [0, 10, 0, 5]})
    assert log.rate("n") == [0, 10, 0, 5]


def test_long_logs_are_thinned(tmp_path: Path) -> None:
    log = stats_log.read(write_log(tmp_path / "stats.log", 5000))
    assert len(log.seconds) <= stats_log.POINTS + 1
    assert log.seconds[-1] == 4999


@pytest.mark.parametrize("text", ["", "hello\n", HEADER, "# one two\n1 2\n"])
def test_what_is_no_log_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.log"
    path.write_text(text)
    with pytest.raises(UsageError, match="is not a log of Work Queue"):
        stats_log.read(path)
    with pytest.raises(UsageError, match="cannot be read"):
        stats_log.read(tmp_path / "missing")


def test_pictures_of_a_run(simple: RunView, tmp_path: Path) -> None:
    made = plots.draw_view(simple, tmp_path, "svg")
    assert {path.stem for path in made} >= {
        "events",
        "core-hours",
        "memory-datasets",
        "task-time",
        "task-memory",
    }
    assert all(path.stat().st_size > 1000 for path in made)


def test_report_with_pictures(run_directory: Path) -> None:
    write_log(run_directory / "stats.log")
    code, out = call(run_directory, "--plots", "svg")
    assert code == 0
    assert (run_directory / "report.html").exists()
    names = {path.name for path in (run_directory / "plots").iterdir()}
    assert {"events.svg", "engine-workers.svg"} <= names
    assert f"{len(names)} in" in out


def test_report_of_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not the directory of a run"):
        call(tmp_path)


# -- histograms --


def mass(*values: float) -> Any:
    return hist.Hist.new.Reg(10, 0, 100, name="mass", label="mass [GeV]").Weight().fill(list(values))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    content = {
        name: {
            "sumw": 4.0,
            "mass": mass(10, 20, 30),
            "map": hist.Hist.new.Reg(4, 0, 1).Reg(4, 0, 1).Double(),
            "cutflow": {"all": 3},
        }
        for name in ("DY", "TT", "Data")
    }
    path = tmp_path / "output.coffea"
    save(content, path)
    for name, fields in {
        "DY": '"xsec": 2.0, "nSumOfWeights": 4.0, "isData": false',
        "TT": '"xsec": 1.0, "nSumOfWeights": 8.0, "isData": false',
        "Data": '"isData": true',
    }.items():
        (tmp_path / f"{name}.root").touch()
        (tmp_path / f"{name}.json").write_text(
            f'{{"files": ["{tmp_path}/{name}.root"], "treeName": "Events", {fields}}}'
        )
    return path


def test_what_is_in_an_output(output: Path) -> None:
    samples = [
        option for name in ("DY", "TT", "Data") for option in ("--samples", output.with_name(f"{name}.json"))
    ]
    code, out = call("show", output, *samples)
    assert code == 0, out
    assert "DY/cutflow/all" in out
    assert "histogram of mass (10 bins); sum 3" in out
    assert {path.name for path in output.with_name("plots").iterdir()} == {"mass.png"}
    assert "not drawn    map: it is empty" in out
    assert (output.with_name("plots") / "mass.png").read_bytes().startswith(SIGNATURES["png"])


def test_an_output_where_a_log_is_wanted_is_drawn(tmp_path: Path) -> None:
    save({"mass": mass(10, 20)}, tmp_path / "output.coffea")
    code, out = call("plot", tmp_path / "output.coffea", "--plots", "svg")
    assert code == 0, out
    assert (tmp_path / "plots" / "mass.svg").exists()


def test_only_a_list(output: Path) -> None:
    code, out = call("show", "--list", output)
    assert (code, output.with_name("plots").exists()) == (0, False)
    assert "TT/sumw" in out


def test_normalizing_from_the_command(output: Path) -> None:
    samples = [
        option for name in ("DY", "TT", "Data") for option in ("--samples", output.with_name(f"{name}.json"))
    ]
    code, out = call("show", output, "--normalize", "--lumi", "59.7", "--plots", "pdf", *samples)
    assert code == 0, out
    assert (output.with_name("plots") / "mass.pdf").read_bytes().startswith(SIGNATURES["pdf"])
    with pytest.raises(UsageError, match="nothing says which samples"):
        call("show", output, "--normalize")


def test_many_datasets_are_drawn_together(tmp_path: Path) -> None:
    content = {f"D{n}": {"mass": mass(*[10.0] * (n + 1))} for n in range(30)}
    (picture,) = pictures.pictures(content, dict.fromkeys(content))
    drawing.draw(picture, tmp_path / "mass.svg", {})
    assert "22 others" in (tmp_path / "mass.svg").read_text()


def test_many_axes_by_the_command(tmp_path: Path) -> None:
    """One picture for each region, with data, a band and labels; nothing is added up unasked."""
    whole = (
        hist.Hist.new.StrCat([], name="dataset", growth=True)
        .StrCat([], name="region", growth=True)
        .StrCat([], name="systematic", growth=True)
        .Reg(10, 0, 100, name="mass", label="mass [GeV]")
        .Weight()
    )
    for region in ("sr", "cr"):
        for name, shift in (("nominal", 1.0), ("jesUp", 1.1), ("jesDown", 0.8)):
            whole.fill(dataset="DY", region=region, systematic=name, mass=[45, 55, 65], weight=shift / 2)
        whole.fill(dataset="Data", region=region, systematic="nominal", mass=[45, 55])
    save({"mass": whole}, tmp_path / "output.coffea")
    (tmp_path / "Data.root").touch()
    (tmp_path / "Data.json").write_text(
        f'{{"files": ["{tmp_path}/Data.root"], "treeName": "Events", "isData": true}}'
    )
    common = ("show", tmp_path / "output.coffea", "--plots", "svg", "--samples", tmp_path / "Data.json")
    code, out = call(*common)
    assert code == 0, out
    assert "region (2: sr, cr)" in out
    assert "sum" not in out
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"mass_sr.svg", "mass_cr.svg"}
    text = (tmp_path / "plots" / "mass_sr.svg").read_text()
    for word in ("mass, region sr", "variation jes", "data", "sum of weights / bin", "mass [GeV]"):
        assert f"<!-- {word} -->" in text, word

    code, out = call(*common, "-o", tmp_path / "lines", "--axis", "region=s*", "--overlay", "dataset")
    assert code == 0, out
    assert {path.name for path in (tmp_path / "lines").iterdir()} == {"mass_sr.svg"}
    assert "<!-- mass, region sr, nominal -->" in (tmp_path / "lines" / "mass_sr.svg").read_text()

    code, out = call(*common, "-o", tmp_path / "sums", "--axis", "region=sum")
    assert code == 0, out
    assert "<!-- mass, summed over region -->" in (tmp_path / "sums" / "mass.svg").read_text()


def test_what_is_no_output_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.coffea"
    with pytest.raises(UsageError, match="cannot be read"):
        histograms.load(path)
    path.write_text("hello")
    with pytest.raises(UsageError, match=r"cannot be read|is not an output"):
        histograms.load(path)
