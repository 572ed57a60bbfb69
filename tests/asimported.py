"""An analysis that sets things when it is imported, and says what it finds when it processes."""

from __future__ import annotations

import decimal
import gc
import locale
import logging
import os
import random
import sys
import warnings
from typing import Any

import numpy as np
from coffea import processor

os.environ["WORKING_POINT"] = "tight"
os.environ["CHANGED"] = os.environ.get("CHANGED", "") + " more"
os.environ.pop("REMOVED", None)
np.seterr(divide="raise", over="ignore")
warnings.filterwarnings("error", message="an error here")
warnings.filterwarnings("ignore", message="nothing here")
warnings.filterwarnings("always", message="no two are the same")
logging.basicConfig(level=logging.INFO, format="as formatted: %(message)s")
locale.setlocale(locale.LC_NUMERIC, "C")
decimal.getcontext().prec = 11
sys.setrecursionlimit(4321)
gc.disable()
np.random.seed(42)
random.seed(42)
GENERATOR = np.random.default_rng(42)

log = logging.getLogger(__name__)


class Analysis(processor.ProcessorABC):
    def __init__(self) -> None:
        self.rng = np.random.RandomState(1)

    def process(self, events: Any) -> dict[str, Any]:
        print("chunk at", events.metadata["entrystart"])
        print("an error of it", file=sys.stderr)
        log.info("logged of it")
        warnings.warn(f"no two are the same: {events.metadata['entrystart']}", stacklevel=1)
        drawn = (np.random.normal(), random.random(), GENERATOR.normal(), self.rng.normal())
        found = {
            "environment": tuple(os.environ.get(name) for name in ("WORKING_POINT", "CHANGED", "REMOVED")),
            "numpy": tuple(np.geterr()[name] for name in ("divide", "over")),
            "raises": (_raises(_divide), _raises(_warn, "an error here"), _raises(_warn, "nothing here")),
            "level": logging.getLogger().level,
            "precision": decimal.getcontext().prec,
            "recursion": sys.getrecursionlimit(),
            "gc": gc.isenabled(),
        }
        np.seterr(divide="ignore")  # for this chunk only
        decimal.getcontext().prec = 3
        warnings.simplefilter("ignore")
        return {"events": len(events), "drawn": [drawn], "found": {repr(found)}}

    def postprocess(self, accumulator: Any) -> None:
        pass


def _divide() -> None:
    np.ones(1) / np.zeros(1)


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=2)


def _raises(function: Any, *arguments: Any) -> bool:
    try:
        function(*arguments)
    except (FloatingPointError, UserWarning):
        return True
    return False
