"""Which results are written together, by `--outputs`: pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wq_runner import names
from wq_runner.config.types import FILES, GROUP, PER_DATASET, PER_PROCESSOR
from wq_runner.errors import SelectionError, did_you_mean
from wq_runner.ledger.items import Item
from wq_runner.model import Fileset
from wq_runner.remote.several import dataset_of

Portions = Mapping[tuple[str, str], str]
"""By dataset and path of a file: the name under which its results are added up apart."""


def stems(outputs: str, fileset: Fileset) -> dict[str, str]:
    """Return the name of the file that each dataset goes to; empty where that is not by dataset.

    Raises
    ------
    UsageError
        If datasets are to be grouped by what is not in their metadata.
    """
    if outputs == PER_DATASET:
        return names.file_names(dataset.name for dataset in fileset)
    if outputs == PER_PROCESSOR:
        if not all(dataset.processor for dataset in fileset):
            raise SelectionError(
                f"--outputs {outputs}: there is one processor, and it has no name",
                hint="-p ee=FILE.py:EE -p mm=FILE.py:MM gives names; for one file leave --outputs out",
            )
        files = names.file_names(dataset.processor for dataset in fileset)
        return {dataset.name: files[dataset.processor] for dataset in fileset}
    if not outputs.startswith(GROUP):
        return {}
    key = outputs.removeprefix(GROUP)
    lacking = [dataset.name for dataset in fileset if key not in dataset.metadata]
    if lacking:
        known = sorted({name for dataset in fileset for name in dataset.metadata})
        raise SelectionError(
            f"--outputs {outputs}: {lacking[0]} has no {key} in its metadata.{did_you_mean(key, known)}",
            hint=f"known: {', '.join(known) or 'none'}",
        )
    groups = {dataset.name: dataset_of(dataset.processor, str(dataset.metadata[key])) for dataset in fileset}
    files = names.file_names(groups.values())
    return {name: files[group] for name, group in groups.items()}


def portions(outputs: str, fileset: Fileset) -> Portions:
    """Return the portion of each file; empty where a dataset is added up as a whole."""
    if not outputs.startswith(FILES):
        return {}
    size = int(outputs.removeprefix(FILES))
    files = names.file_names(dataset.name for dataset in fileset)
    return {
        (dataset.name, file.path): portion_name(files[dataset.name], number // size)
        for dataset in fileset
        for number, file in enumerate(dataset.files)
    }


def portion_name(written: str, number: int) -> str:
    """Return the name of a portion of a dataset, whose name is `written` as that of a file."""
    return f"{written}-{number:04}"


def of_items(found: Portions) -> Callable[[Item], str]:
    """Return what tells the portion of an item."""
    return lambda item: found.get((item.dataset, item.path), "")
