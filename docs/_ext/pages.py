"""The order of the pages, by what a reader wants of them; pages that no part names are how-tos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

PARTS: Mapping[str, Sequence[str]] = {
    "Start here": ("install", "tutorial", "examples", "guide", "migration/*"),
    "How to": (
        "environments",
        "workers",
        "results",
        "monitoring",
        "executors",
        "batch-jobs",
        "tuning",
        "scaling",
        "security",
        "troubleshooting",
        "errors",
    ),
    "Reference": ("glossary", "reference/*"),
    "How it works": ("architecture", "allocation", "ledger", "performance", "contributing"),
}
_REST = "How to"


def contents(docs: Path) -> str:
    """Return the tables of contents of the first page; it is in none, for it is what has them."""
    left = [
        str(path.relative_to(docs).with_suffix(""))
        for path in sorted(docs.rglob("*.md"))
        if not path.is_relative_to(docs / "_build") and path != docs / "index.md"
    ]
    parts: dict[str, list[str]] = {}
    for part, patterns in PARTS.items():
        found = [name for pattern in patterns for name in left if Path(name).match(pattern)]
        parts[part] = found
        left = [name for name in left if name not in found]
    parts[_REST] += left
    return "\n".join(
        "\n".join(["```{toctree}", ":hidden:", f":caption: {part}", "", *names, "```"])
        for part, names in parts.items()
    )
