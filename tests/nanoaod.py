"""Small inputs for all tests: NanoAOD-like files made by the example, trees of anything, and broken ones."""

from __future__ import annotations

import functools
import importlib.util
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import hist
import numpy as np
import pytest
import uproot
from coffea import nanoevents
from coffea.processor import accumulate

ROOT = Path(__file__).resolve().parents[1]
DIMUON = ROOT / "examples" / "dimuon"
REAL_NANOAOD = ROOT.parent / "shared" / "data" / "nano_dy.root"
"""40 simulated events of NanoAODv5, not part of the repository."""


def load(path: Path) -> ModuleType:
    """Import a file that is not in a package; once, so that its classes are the same for everybody."""
    name = f"example_{path.parent.name}_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec
        assert spec.loader
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


make_data = load(DIMUON / "make_data.py")
KINDS = tuple(make_data.KINDS)


def with_real_nanoaod(test: Any) -> Any:
    """Skip a test where the real file is not at hand, and allow what coffea warns of in any such file."""
    for mark in (
        pytest.mark.skipif(not REAL_NANOAOD.exists(), reason="../shared/data is not part of a clone"),
        pytest.mark.filterwarnings("ignore:Missing cross-reference index for:RuntimeWarning"),
        pytest.mark.filterwarnings("ignore:Branch .* already exists but:RuntimeWarning"),
    ):
        test = mark(test)
    return test


# -- files --


def write_dataset(
    directory: Path,
    kind: str = "DYJetsToLL",
    files: int = 1,
    events: int = 1000,
    *,
    seed: int = 1,
    basket: int = 25_000,
) -> list[Path]:
    """Write NanoAOD-like files DIRECTORY/KIND_0.root and so on (about 40 ms each)."""
    plan = make_data.Plan(files=files, events=events, seed=seed, basket=basket)
    return list(make_data.write_dataset(directory, kind, plan).files)


def write_samples(directory: Path, kinds: Sequence[str] = KINDS, files: int = 1, events: int = 1000) -> Path:
    """Write datasets and their sample JSONs below a directory, and return the path of its samples.cfg."""
    plan = make_data.Plan(files=files, events=events)
    made = [make_data.write_dataset(directory / "data", kind, plan) for kind in kinds]
    path: Path = make_data.write_samples(directory, made)
    return path


def write_simple(
    path: Path, entries: int, branches: Iterable[str] = ("x",), *, tree: str = "Events", basket: int = 0
) -> Path:
    """Write a tree of float64 branches that hold the entry number, in baskets of `basket` (about 2 ms)."""
    names = list(branches)
    path.parent.mkdir(parents=True, exist_ok=True)
    with uproot.recreate(path) as file:
        out = file.mktree(tree, dict.fromkeys(names, "float64"))
        step = basket or entries or 1
        for start in range(0, entries, step):
            values = np.arange(start, min(start + step, entries), dtype=np.float64)
            out.extend(dict.fromkeys(names, values))
    return path


def cut_in_half(path: Path) -> Path:
    """Lose the second half of a file, as a transfer does that broke off."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def write_garbage(path: Path, size: int = 1000) -> Path:
    """Write a file that has the name of a ROOT file and is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not a ROOT file\n" * (size // 16))
    return path


# -- events and results --


def fileset(
    directory: Path, kinds: Sequence[str] = KINDS, files: int = 1, events: int = 1000
) -> dict[str, Any]:
    """Write datasets, and return them as coffea's Runner takes them."""
    return {
        kind: {
            "files": [str(path) for path in write_dataset(directory, kind, files, events)],
            "treename": "Events",
            "metadata": {"isData": make_data.KINDS[kind].is_data, "xsec": make_data.KINDS[kind].xsec},
        }
        for kind in kinds
    }


def read(
    path: Path,
    start: int | None = None,
    stop: int | None = None,
    *,
    schema: type = nanoevents.NanoAODSchema,
    tree: str = "Events",
    **metadata: Any,
) -> Any:
    """Return the events of a chunk as a processor gets them; the dataset is called "test" unless named."""
    return nanoevents.NanoEventsFactory.from_root(
        {str(path): tree},
        entry_start=start,
        entry_stop=stop,
        schemaclass=schema,
        mode="virtual",
        metadata={"dataset": "test", **metadata},
    ).events()


@functools.cache
def real_events() -> Any:
    """Return the events of the real file: opening its 1499 branches takes most of a second."""
    return read(REAL_NANOAOD)


def process(processor: Any, path: Path, chunksize: int, entries: int, **options: Any) -> Any:
    """Process a file in chunks, and return the merged and postprocessed result."""
    starts = range(0, max(entries, 1), chunksize)
    results = [
        processor.process(read(path, start, min(start + chunksize, entries), **options)) for start in starts
    ]
    merged = functools.reduce(lambda a, b: accumulate([a, b]), results)
    return processor.postprocess(merged) or merged


def assert_same(found: Any, expected: Any, where: str = "output") -> None:
    """Compare results: everything exactly, but floats and weighted histograms to 1e-12."""
    assert type(found) is type(expected), where
    if isinstance(expected, Mapping):
        assert set(found) == set(expected), where
        for key, value in expected.items():
            assert_same(found[key], value, f"{where}[{key!r}]")
    elif isinstance(expected, hist.Hist):
        assert found.axes == expected.axes, where
        for of in (lambda h: h.values(flow=True), lambda h: h.variances(flow=True)):
            wanted = of(expected)
            atol = 1e-12 * abs(wanted).max()
            np.testing.assert_allclose(of(found), wanted, rtol=1e-12, atol=atol, err_msg=where)
    elif isinstance(expected, float):
        assert math.isclose(found, expected, rel_tol=1e-12), f"{where}: {found!r} is not {expected!r}"
    else:
        assert found == expected, where
