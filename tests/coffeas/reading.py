"""Do the chunks of a file as one task, with the coffea of any environment; say what was read of its tree."""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coffea import processor
from coffea.nanoevents import NanoAODSchema
from coffea.nanoevents.mapping import uproot as mapping
from coffea.processor.executor import WorkItem
from muons import Muons  # type: ignore[import-not-found]  # is copied beside this file
from uproot.models import TTree

from wq_runner.remote import functions, wire, work
from wq_runner.remote.pinned import Code


class Asked(processor.IterativeExecutor):
    """Keeps what the Runner would have done with each chunk."""

    function: Any = None

    def __call__(self, items: Any, function: Any, accumulator: Any) -> Any:
        del items, accumulator
        Asked.function = function
        return {"out": {}, "processed": set()}, 0


def counted(seen: Counter[str], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def counting(*args: Any, **keywords: Any) -> Any:
        seen[name] += 1
        return function(*args, **keywords)

    return counting


def main() -> None:
    warnings.simplefilter("ignore")
    items = [WorkItem("a", "a.root", "Events", start, start + 500, b"", None) for start in (0, 500, 1000)]
    processor.Runner(executor=Asked(status=False), schema=NanoAODSchema).run(items, Muons())
    seen: Counter[str] = Counter()
    TTree.Model_TTree_v20.read_members = counted(seen, "trees", TTree.Model_TTree_v20.read_members)
    mapping._lazify_parameters = counted(seen, "branches", mapping._lazify_parameters)
    with tempfile.TemporaryDirectory() as directory:
        result = Path(directory) / "result"
        loaded = functions.Function(Asked.function, Code())
        work.execute(Path("function"), work.pack(items), result, loaded=loaded)
        header, _ = wire.read(result)
    json.dump({**seen, "done": header["done"], "failures": header["failures"]}, sys.stdout)


if __name__ == "__main__":
    main()
