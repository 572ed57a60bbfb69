"""Metadata of datasets: what reaches the processor as ``events.metadata``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

log = logging.getLogger(__name__)

RESERVED = frozenset(
    # coffea sets these itself for every chunk, and refuses them in a fileset
    {"dataset", "filename", "treename", "metadata", "preload", "entrystart", "entrystop"}
    | {"numentries", "clusters", "fileuuid", "uuid"}
)


def kept(metadata: Mapping[Any, Any], *, dataset: str, where: str) -> dict[str, Any]:
    """Return the metadata without coffea's own words; what is lost by that is logged."""
    named = {str(key): value for key, value in metadata.items()}
    lost = sorted(key for key in named.keys() & RESERVED if named[key] != dataset)
    if lost:
        log.warning(
            "%s: %s: metadata %s left out, coffea sets that itself: rename it to have it in events.metadata",
            where,
            dataset,
            ", ".join(lost),
        )
    return {key: value for key, value in named.items() if key not in RESERVED}
