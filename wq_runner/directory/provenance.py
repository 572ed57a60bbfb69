"""Where a result came from: the code as git has it, and each input."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from wq_runner import names
from wq_runner.environment.gitstate import GitTree, open_git
from wq_runner.model import Chunk, Fileset
from wq_runner.planning.file_info import Knowledge


def inputs(fileset: Fileset, knowledge: Knowledge, plan: Sequence[Chunk]) -> list[dict[str, Any]]:
    """Return every file with its uuid and entries, and how many of these are planned."""
    planned: dict[tuple[str, str], int] = {}
    for chunk in plan:
        place = (chunk.dataset, chunk.path)
        planned[place] = planned.get(place, 0) + chunk.events
    found = []
    for dataset in fileset:
        for file in dataset.files:
            facts = knowledge.facts.get(file)
            found.append(
                {
                    "dataset": dataset.name,
                    "path": file.path,
                    "treename": file.treename,
                    "uuid": str(UUID(bytes=facts.uuid)) if facts and len(facts.uuid) == 16 else "",
                    "identity": facts.identity.hex() if facts else "",
                    "entries": facts.entries if facts else None,
                    "planned": planned.get((dataset.name, file.path), 0),
                }
            )
    return found


def sources(files: Iterable[Path], directory: Path) -> list[dict[str, Any]]:
    """Return the repositories of the user's code with their commits.

    What is changed on top of a commit is kept in `directory`, as a patch that ``git apply`` takes.
    """
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        for tree, inside in _trees(files, Path(scratch)):
            tree.contents(inside)
            source = tree.source()
            entry: dict[str, Any] = {
                "name": source.name,
                "path": source.path,
                "commit": source.commit,
                "tree": source.tree,
                "changed": source.changed,
                "label": str(source),
            }
            text = tree.patch() if source.changed else ""
            if text:
                directory.mkdir(parents=True, exist_ok=True)
                patch = directory / f"{names.file_name(source.name)}-{source.tree[:8]}.patch"
                patch.write_text(text, encoding="utf-8", errors="surrogateescape")
                entry["patch"] = f"{directory.name}/{patch.name}"
            found.append(entry)
    return found


def _trees(files: Iterable[Path], scratch: Path) -> list[tuple[GitTree, list[Path]]]:
    found: dict[Path, tuple[GitTree, list[Path]]] = {}
    for file in files:
        known = next((root for root in found if file.is_relative_to(root)), None)
        if known is None and file.parent.is_dir():
            tree = open_git(file.parent, scratch)
            if tree is None:
                continue
            known = tree.root
            found.setdefault(known, (tree, []))
        if known is not None:
            found[known][1].append(file)
    return list(found.values())
