"""coffea's Runner as people use it, in a script without a main guard.

    python plain_runner.py EXECUTOR FILESET.json CHUNKSIZE OUTPUT

EXECUTOR is iterative, futures or work_queue. The processor is defined here, so it lives in `__main__`.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

from coffea import processor, util
from coffea.nanoevents import NanoAODSchema

from wq_runner import WorkQueueExecutor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples" / "dimuon"))
from processor import Dimuon as Base  # type: ignore[import-not-found]  # the example's, not coffea's

warnings.simplefilter("ignore", RuntimeWarning)  # NanoAOD without some collections
LOWEST = 20.0


class Dimuon(Base):
    def __init__(self) -> None:
        super().__init__(min_pt=LOWEST)


name, fileset, chunksize, output = sys.argv[1:]
executor = {
    "iterative": lambda: processor.IterativeExecutor(status=False),
    "futures": lambda: processor.FuturesExecutor(workers=2, status=False),
    "work_queue": lambda: WorkQueueExecutor(workers="local:2", port=0),
}[name]()
runner = processor.Runner(executor=executor, schema=NanoAODSchema, chunksize=int(chunksize))
util.save(runner(json.loads(Path(fileset).read_text()), Dimuon()), output)
