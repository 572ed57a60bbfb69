"""One run of an analysis under one of coffea's own executors, from start to written output.

    python peer.py EXECUTOR SAMPLES.cfg CHUNKSIZE WORKERS FILE.py:CLASS OUTPUT.coffea

A process of its own for each run, as a user's script is. Files are counted by the executor itself, which
is part of what it costs.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coffea import processor
from coffea.nanoevents import NanoAODSchema
from coffea.util import save


@contextlib.contextmanager
def executor(name: str, workers: int) -> Iterator[Any]:
    """Make an executor with so many workers, and end what it started."""
    match name:
        case "iterative":
            yield processor.IterativeExecutor(status=False)
        case "futures":
            yield processor.FuturesExecutor(workers=workers, status=False)
        case "dask":
            from distributed import Client, LocalCluster

            with (
                LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
                Client(cluster) as client,
            ):
                yield processor.DaskExecutor(client=client, status=False)
        case "parsl":
            yield from _parsl(workers)
        case _:
            raise SystemExit(f"no executor {name}")


def _parsl(workers: int) -> Iterator[Any]:
    import parsl
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor
    from parsl.providers import LocalProvider

    pool = HighThroughputExecutor(
        label="local",
        address="127.0.0.1",
        loopback_address="127.0.0.1",
        max_workers_per_node=workers,
        cores_per_worker=1,
        provider=LocalProvider(),
    )
    with parsl.load(Config(executors=[pool], run_dir="parsl", usage_tracking=0)):
        yield processor.ParslExecutor(status=False)


def fileset(samples: Path) -> dict[str, Any]:
    """Read the samples.cfg that make_data.py wrote."""
    found = {}
    for line in samples.read_text().splitlines():
        if line.endswith(".json"):
            path = samples.parent / line
            sample = json.loads(path.read_text())
            files = [str((path.parent / name).resolve()) for name in sample.pop("files")]
            found[path.stem] = {"treename": sample.pop("treeName"), "files": files, "metadata": sample}
    return found


def main(name: str, samples: str, chunksize: str, workers: str, analysis: str, output: str) -> None:
    path, _, what = analysis.partition(":")
    sys.path.insert(0, str(Path(path).parent))
    made_of = getattr(importlib.import_module(Path(path).stem), what)
    with executor(name, int(workers)) as made:
        runner = processor.Runner(
            executor=made, schema=NanoAODSchema, chunksize=int(chunksize), metadata_cache={}
        )
        # coffea 0.7 wants a tree for all, of which those of the fileset are exceptions
        save(runner(fileset(Path(samples)), treename="Events", processor_instance=made_of()), output)


if __name__ == "__main__":
    main(*sys.argv[1:7])
