"""The histograms of a run are in its report, on its page and in what a notebook shows of its result."""

from __future__ import annotations

import json
from pathlib import Path

import nanoaod
import pytest
from click.testing import CliRunner

import wq_runner
from wq_runner.cli import report as cli

PROCESSOR = """
import hist

def process(events):
    name = events.metadata["dataset"]
    axes = hist.Hist.new.StrCat([], name="dataset", growth=True).StrCat([], name="region", growth=True)
    found = axes.StrCat([], name="systematic", growth=True).Reg(5, 0, 50, name="x", label="x [cm]").Weight()
    for region in ("sr", "cr"):
        for variation, weight in (("nominal", 0.5), ("scaleUp", 0.7), ("scaleDown", 0.4)):
            found.fill(dataset=name, region=region, systematic=variation, x=events.x, weight=weight)
    return {"x": found, "entries": len(events)}
"""


@pytest.mark.parametrize("outputs", ["one", "per-dataset"])
def test_histograms_are_where_one_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outputs: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("many_axes.py").write_text(PROCESSOR)
    files = {name: [str(nanoaod.write_simple(tmp_path / f"{name}.root", 40))] for name in ("DY", "TT")}
    Path("data.json").write_text(json.dumps(files))
    result = wq_runner.run(
        "data.json",
        "many_axes.py:process",
        schema="BaseSchema",
        executor="iterative",
        output="out",
        outputs=outputs,
    )
    wanted = [f"<figcaption>x, region {region}<" for region in ("sr", "cr")]
    wanted += ["variation scale", "sum of weights / bin, by x [cm]", ">DY</li>", ">TT</li>"]

    def assert_shown(text: str) -> None:
        assert [word for word in wanted if word not in text] == []
        assert text.count("<figcaption>x, region") == 2

    html = result._repr_html_()
    assert html is not None
    assert_shown(html)
    assert "complete: 80 of 80 events" in html
    assert 'href="out/report.html"' in html
    for name in ("report.html", "status.html"):
        assert_shown(Path("out", name).read_text())
    Path("out/report.html").unlink()
    made = CliRunner().invoke(cli.cli, ["out"], catch_exceptions=False)
    assert made.exit_code == 0, made.output
    assert_shown(Path("out/report.html").read_text())
