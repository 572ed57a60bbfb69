"""Which section of docs/errors.md is about an error, and its text: the package carries a copy."""

from __future__ import annotations

import re
from collections.abc import Mapping

from wq_runner.errors import WqRunnerError

PAGES: Mapping[str, str] = {
    # the section for what a room raises, by the longest name that fits; a kind of error may know better
    "": "bugs",
    "api": "options",
    "cli": "command-line",
    "cli.report": "reports",
    "cli.report_runs": "merging",
    "code": "engine",
    "code.processor": "processor-not-found",
    "coffea_adapter": "engine",
    "coffea_adapter.runner": "samples",
    "config": "options",
    "config.executors": "executors",
    "directory": "command-line",
    "directory.record": "bugs",
    "engine": "engine",
    "engine.dask": "executors",
    "engine.parsl": "executors",
    "environment": "environment",
    "environment.builders": "lists-of-packages",
    "environment.enter": "stored-environments",
    "environment.overview": "stored-environments",
    "environment.store": "stored-environments",
    "executors": "executors",
    "executors.proxies": "proxies",
    "export": "exports",
    "fingerprint": "engine",
    "frameworks": "command-line",
    "ledger": "engine",
    "monitor": "reports",
    "output": "command-line",
    "output.joining": "merging",
    "output.ownership": "staging-out",
    "output.stageout": "staging-out",
    "planning": "choosing-datasets",
    "planning.reading": "command-line",
    "results": "merging",
    "results.peek": "command-line",
    "results.shown": "command-line",
    "results.soundness": "damaged-files",
    "samples": "samples",
    "samples.redirect": "options",
    "scheduler": "engine",
    "steps": "command-line",
    "steps.detached": "output",
    "summary": "merging",
    "system": "bugs",
    "terminal": "command-line",
    "workers": "workers",
    "workers.catalog": "names-and-catalogs",
    "workers.factory": "batch-systems",
    "workers.factory_file": "factory-files",
    "workers.hand": "batch-systems",
    "workers.passwords": "passwords",
    "workers.provided": "sites",
    "workers.sites": "sites",
    "workers.target": "names-and-catalogs",
}


def page_of(error: WqRunnerError) -> str:
    """Return the name of the section about an error."""
    return error.page or page_of_module(error.raised_in)


def page_of_module(name: str) -> str:
    """Return the name of the section about what a module raises."""
    package, _, room = name.partition(".")
    if package != "wq_runner":
        room = ""
    while room not in PAGES:
        room = room.rpartition(".")[0]
    return PAGES[room]


def sections() -> dict[str, str]:
    """Return the sections of docs/errors.md, by the names that links to them have."""
    from importlib import resources

    text = resources.files("wq_runner").joinpath("errors.md").read_text(encoding="utf-8")
    _, *found = re.split(r"^## ", text, flags=re.MULTILINE)
    return {one.partition("\n")[0].lower().replace(" ", "-"): f"## {one.rstrip()}\n" for one in found}
