"""The kinds of workers that a run can start: those that are registered, whoever starts them.

A new batch system is one by being in `SYSTEMS`. The site that a package brings is that of the documentation.
"""

from __future__ import annotations

import re
from pathlib import Path

import nanoaod

from wq_runner.workers import sites, spec
from wq_runner.workers.choice import Wish

FARM = "ourfarm"
KINDS = (*spec.KINDS, sites.PYTHON)
COUNT = 2


def wish(kind: str) -> Wish:
    """Return what the options say that ask for two small workers of a kind."""
    name = FARM if kind == sites.PYTHON else kind
    return Wish(
        workers=spec.parse(f"{name}:{COUNT}x1x1GBx1GB"),
        name="mine",
        catalog=None,
        password_file=None,
        batch_options=None,
    )


def example() -> str:
    """Return the site of the documentation."""
    text = (nanoaod.ROOT / "docs" / "workers.md").read_text()
    [found] = re.findall(r'```python\n(""".*?)```', text, re.DOTALL)
    return str(found)


def install(place: Path, **others: str) -> Path:
    """Write an installed package with the site of the documentation, and `others`: modules with a `site`."""
    info = place / f"{FARM}-1.dist-info"
    info.mkdir(parents=True)
    modules = {FARM: example(), **others}
    for name, text in modules.items():
        (place / f"{name}.py").write_text(text)
    points = "".join(f"{name} = {name}:site\n" for name in modules)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {FARM}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{sites.GROUP}]\n{points}")
    return place
