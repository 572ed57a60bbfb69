"""Three analyses as people write them, with their samples; what they depend on is made beside them.

One file with everything in it, a package in TopCoffea's style, and one with the habits of PocketCoffea.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import hist
import nanoaod
import pytest
from coffea.util import load

EVENTS = 1500

ONE_FILE = """
from pathlib import Path

import awkward as ak
import correctionlib
import hist
import numpy as np
from coffea import processor
from coffea.analysis_tools import PackedSelection, Weights
from coffea.lumi_tools import LumiMask

HERE = Path(__file__).parent


class MuonsAndJets(processor.ProcessorABC):
    def __init__(self, golden="golden.json"):
        self.scale = correctionlib.CorrectionSet.from_file(str(HERE / "muons.json"))
        self.golden = LumiMask(str(HERE / golden))

    def process(self, events):
        name, is_data = events.metadata["dataset"], events.metadata["isData"]
        made = hist.Hist.new.StrCat([], name="dataset", growth=True).StrCat([], name="region", growth=True)
        made = made.StrCat([], name="systematic", growth=True).Reg(30, 0, 300, name="ht", label="HT [GeV]")
        found, cuts = made.Weight(), {}
        for shift in ("nominal",) if is_data else ("nominal", "jesUp", "jesDown"):
            jets = events.Jet
            factor = {"jesUp": 1.05, "jesDown": 0.95}.get(shift, 1.0)
            pt = jets.pt * factor
            muons = events.Muon[(events.Muon.pt > 20) & events.Muon.tightId]
            selection = PackedSelection()
            good = self.golden(events.run, events.luminosityBlock) if is_data else np.ones(len(events), bool)
            selection.add("good", good)
            selection.add("muons", ak.to_numpy(ak.num(muons) == 2))
            selection.add("jets", ak.to_numpy(ak.sum(pt > 30, axis=1) >= 2))
            weights = Weights(len(events))
            if not is_data:
                weights.add("gen", ak.to_numpy(events.genWeight).astype(float))
                flat = self.scale["muon"].evaluate(ak.to_numpy(ak.flatten(muons.pt)).astype(float), "nominal")
                weights.add("id", ak.to_numpy(ak.prod(ak.unflatten(flat, ak.num(muons)), axis=1)))
            for region, names in {"inclusive": ("good",), "signal": ("good", "muons", "jets")}.items():
                at = selection.all(*names)
                cuts[region] = cuts.get(region, 0) + int(at.sum()) * (shift == "nominal")
                found.fill(
                    dataset=name,
                    region=region,
                    systematic=shift,
                    ht=ak.to_numpy(ak.sum(pt, axis=1))[at],
                    weight=weights.weight()[at],
                )
        return {"ht": found, "cuts": {name: cuts}}

    def postprocess(self, output):
        return output
"""

CORRECTION = {
    "schema_version": 2,
    "corrections": [
        {
            "name": "muon",
            "version": 1,
            "inputs": [{"name": "pt", "type": "real"}, {"name": "way", "type": "string"}],
            "output": {"name": "weight", "type": "real"},
            "data": {
                "nodetype": "category",
                "input": "way",
                "content": [{"key": "nominal", "value": 0.98}],
            },
        }
    ],
}

PACKAGE = """
import hist
import numpy as np
import awkward as ak
from coffea import processor

import topmine.modules.corrections as corrections
from topmine.modules.objects import good_muons


class AnalysisProcessor(processor.ProcessorABC):
    def __init__(self, samples=None, wc_names_lst=(), do_systematics=False):
        self._systematics = ["nominal", "muonUp"] if do_systematics else ["nominal"]

    def process(self, events):
        process = events.metadata["histAxisName"]
        made = hist.Hist(
            hist.axis.StrCategory([], name="process", growth=True),
            hist.axis.StrCategory([], name="systematic", growth=True),
            hist.axis.Regular(20, 0, 200, name="pt", label="leading muon"),
        )
        muons = good_muons(events)
        lead = ak.to_numpy(ak.fill_none(ak.max(muons.pt, axis=1), -1.0))
        for name in self._systematics:
            factor = corrections.FACTOR if name == "muonUp" else 1
            made.fill(process=process, systematic=name, pt=lead * factor)
        return {"pt": made, "places": {__file__, corrections.__file__}}

    def postprocess(self, accumulator):
        return accumulator
"""

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "topmine"
version = "0.1"

[tool.setuptools.packages.find]
include = ["topmine*"]
"""


def samples(place: Path) -> None:
    """Write samples in two of the ways that they are written down: a .cfg file, and a fileset."""
    fileset = {}
    for kind in ("DYJetsToLL", "DoubleMuon"):
        [path] = nanoaod.write_dataset(place / "data" / kind, kind, events=EVENTS)
        is_data = kind == "DoubleMuon"
        sample = {"files": [str(path)], "isData": is_data, "histAxisName": kind, "xsec": 1.0, "year": "2018"}
        (place / f"{kind}.json").write_text(json.dumps(sample))
        fileset[kind] = {
            "files": {str(path): "Events"},
            "metadata": {"isData": is_data, "histAxisName": kind},
        }
    (place / "samples.cfg").write_text("DYJetsToLL.json\nDoubleMuon.json\n")
    (place / "fileset.json").write_text(json.dumps(fileset))


def one_file(place: Path) -> list[str]:
    """Write the analysis in one file, and return the options that it is run with."""
    (place / "analysis.py").write_text(ONE_FILE)
    (place / "muons.json").write_text(json.dumps(CORRECTION))
    (place / "golden.json").write_text('{"1": [[1, 1]]}')
    return ["-p", "analysis.py:MuonsAndJets"]


def package(place: Path) -> list[str]:
    """Write the package, as a checkout that can be installed or put on the path, and return its options."""
    project = place / "checkout"
    for name, text in {
        "pyproject.toml": PROJECT,
        "topmine/__init__.py": "",
        "topmine/analysis_processor.py": PACKAGE,
        "topmine/modules/__init__.py": "",
        "topmine/modules/corrections.py": "from topmine.modules.paths import data_path\n\n"
        'FACTOR = float(open(data_path("factor.txt")).read())  # read where it is imported\n',
        "topmine/modules/objects.py": "def good_muons(events):\n"
        "    return events.Muon[events.Muon.pt > 10]\n",
        "topmine/modules/paths.py": "from pathlib import Path\n\n\ndef data_path(name):\n"
        '    return Path(__file__).parent.parent / "data" / name\n',
        "topmine/data/factor.txt": "1.02\n",
    }.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    return ["-p", "topmine.analysis_processor:AnalysisProcessor", "--processor-args", "do_systematics=true"]


def habits(place: Path) -> list[str]:
    """Write a file of run options as PocketCoffea has them, and a processor with regions and variations."""
    one_file(place)
    (place / "custom.yaml").write_text(
        "scaleout: 2\nmem-per-worker: 1\nchunksize: 500\nlimit-files: 1\nskip-bad-files: true\n"
    )
    return ["-p", "analysis.py:MuonsAndJets", "--custom-run-options", "custom.yaml"]


def equal(one: Path, other: Path) -> dict[str, Any]:
    """Compare the results of two runs, which must not be empty, and return the second."""
    first, second = (load(run / "output.coffea") for run in (one, other))
    assert second.get("cuts") == first.get("cuts")
    [name] = {"ht", "pt"} & second.keys()
    found, expected = (_bins(result[name]) for result in (second, first))
    assert sum(map(sum, found.values())) > 0
    assert found == {key: pytest.approx(values) for key, values in expected.items()}
    return dict(second)


def _bins(histogram: Any) -> dict[tuple[str, ...], list[float]]:
    """Return the contents by their categories, which stand in the order in which chunks came."""
    names = [axis.name for axis in histogram.axes if isinstance(axis, hist.axis.StrCategory)]
    keys = itertools.product(*(histogram.axes[name] for name in names))
    found = {key: histogram[dict(zip(names, key, strict=True))] for key in keys}
    return {key: one.values(flow=True).tolist() for key, one in found.items()}
