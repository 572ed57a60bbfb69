"""A configuration of PocketCoffea: two categories, histograms of events and of muons, columns, weights."""

from pathlib import Path

import workflow
from pocket_coffea.lib.columns_manager import ColOut
from pocket_coffea.lib.cut_functions import get_nObj_min
from pocket_coffea.lib.hist_manager import Axis, HistConf
from pocket_coffea.lib.weights.common import common
from pocket_coffea.parameters import defaults
from pocket_coffea.parameters.cuts import passthrough
from pocket_coffea.utils.configurator import Configurator

HERE = Path(__file__).resolve().parent

cfg = Configurator(
    workflow=workflow.Muons,
    parameters=defaults.merge_parameters_from_files(
        defaults.get_default_parameters(), str(HERE / "params.yaml"), update=True
    ),
    datasets={"jsons": [str(HERE / "datasets.json")]},
    skim=[],
    preselections=[passthrough],
    categories={"all": [passthrough], "two": [get_nObj_min(2, coll="MuonGood")]},
    weights={
        "common": {"inclusive": ["genWeight", "lumi", "XS", "scale", "other"], "bycategory": {}},
        "bysample": {},
    },
    weights_classes=[*common.common_weights, *workflow.weights],
    variations={
        "weights": {"common": {"inclusive": ["scale", "other"], "bycategory": {}}, "bysample": {}},
    },
    calibrators=[],
    variables={
        "pt": HistConf([Axis(coll="MuonGood", field="pt", label="pt", bins=20, start=0, stop=60)]),
        "muons": HistConf([Axis(coll="events", field="nMuonGood", label="muons", bins=5, start=0, stop=5)]),
    },
    columns={"common": {"inclusive": [ColOut("MuonGood", ["pt", "eta"])]}},
)
