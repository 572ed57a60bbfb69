"""What the migration pages have one write: with stand-ins of frameworks, on the coffea that these take."""

from __future__ import annotations

import textwrap

import pytest
from coffeas.others import Other
from documents import ROOT, snippet

PAGES = ROOT / "docs" / "migration"
OLD = pytest.mark.parametrize("other", ["0.7.29"], indirect=True)

FRAMEWORK = """
    from pathlib import Path
    from coffea import processor

    class Writing(processor.ProcessorABC):
        WHERE = ""
        def process(self, events):
            start, stop = (events.metadata[one] for one in ("entrystart", "entrystop"))
            place = Path(getattr(self, self.WHERE)) / events.metadata["dataset"]
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{start}-{stop}.parquet").write_text(str(len(events)))
            return {"events": len(events)}
        def postprocess(self, accumulator):
            pass

    class ParticleLevelProcessor(Writing):
        WHERE = "output_location"

    class NanoProcessor(Writing):
        WHERE = "name"
"""
"""What HiggsDNA's and BTV's classes do that matters: they write files where their processor says."""

RUN_ANALYSIS = """
    import sys
    IMPORT
    from coffea.nanoevents import NanoAODSchema
    import muons

    if __name__ == "__main__":
        executor_args = {
            "manager_name": "me-work_queue-coffea", "port": [0, 0], "debug_log": "debug.log",
            "transactions_log": "tr.log", "stats_log": "stats.log", "tasks_accum_log": "tasks.log",
            "environment_file": None, "extra_input_files": ["muons.py"], "retries": 15, "compression": 1,
            "resource_monitor": True, "resources_mode": "auto", "filepath": "work",
            "fast_terminate_workers": 0, "verbose": True, "print_stdout": False,
            "chunks_per_accum": 25, "chunks_accum_in_mem": 2,
        }
        executor = processor.WorkQueueExecutor(workers="local:2", **executor_args)
        runner = processor.Runner(executor, schema=NanoAODSchema, chunksize=muons.CHUNKSIZE,
                                  maxchunks=None, skipbadfiles=False, xrootdtimeout=180)
        flist = {name: [f"{name}.root"] for name in muons.DATASETS}
        output = runner(flist, "Events", muons.Muons())
        expected = muons.by_coffea(processor.IterativeExecutor(status=False))
        print("equal" if muons.plain(output) == muons.plain(expected) else muons.plain(output))
"""
"""As TopEFT's run_analysis.py makes its executor, and its Runner."""


@OLD
@pytest.mark.parametrize(
    ("page", "part", "name"),
    [
        ("higgsdna.md", "output_location", "Collected"),
        ("btvnanocommissioning.md", "self.name", "Arrays"),
    ],
)
def test_what_a_processor_of_theirs_writes_is_collected(
    other: Other, page: str, part: str, name: str
) -> None:
    (other.place / "framework.py").write_text(textwrap.dedent(FRAMEWORK))
    (other.place / f"{name}.py").write_text(f"from framework import *\n\n{snippet(PAGES / page, part)}")
    ended = other.run(
        "wq-run", "-p", f"{name}.py:{name}", "-w", "local:2", "-o", name, "-c", 500, "samples.json"
    )
    assert ended.code == 0, ended.out + ended.err
    files = other.place / name / "files"
    found = list(files.rglob("*.parquet"))
    assert {path.relative_to(files).parts[0] for path in found} == {"a", "b"}
    assert sum(int(path.read_text()) for path in found) == 3200


@OLD
def test_a_script_with_one_import_changed_has_the_numbers_of_coffeas_own(other: Other) -> None:
    line = snippet(PAGES / "topcoffea.md", "from wq_runner import processor").strip()
    script = textwrap.dedent(RUN_ANALYSIS).replace("IMPORT", line)
    (other.place / "run_analysis.py").write_text(script)
    (other.place / "work").mkdir(exist_ok=True)
    ended = other.run("python", "run_analysis.py")
    assert ended.code == 0, ended.out + ended.err
    assert ended.out.splitlines()[-1] == "equal"
    assert "retries=15 is not used: each cause of failure has its own number of attempts" in ended.err
    assert all((other.place / one).stat().st_size for one in ("debug.log", "tr.log", "stats.log"))
