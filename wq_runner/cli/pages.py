"""The sections of docs/errors.md: an error's `page` names the one about it.

The package carries a copy.
"""

from __future__ import annotations

import re


def sections() -> dict[str, str]:
    """Return the sections of docs/errors.md, by the names that links to them have."""
    from importlib import resources

    text = resources.files("wq_runner").joinpath("errors.md").read_text(encoding="utf-8")
    _, *found = re.split(r"^## ", text, flags=re.MULTILINE)
    return {one.partition("\n")[0].lower().replace(" ", "-"): f"## {one.rstrip()}\n" for one in found}
