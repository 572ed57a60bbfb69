"""Joining the many files that processors wrote into one for each dataset, a piece at a time."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wq_runner import system
from wq_runner.errors import UsageError
from wq_runner.system import RunPaths

ROWS = 100_000  # at a time
BYTES = "50 MB"  # the same, of trees
_SPAN = re.compile(r"^(?P<stem>.*)_(?P<start>\d+)-(?P<stop>\d+)\.\w+$")
_NAMED = re.compile(r"^(?:[0-9a-f]{8}_)?(?P<name>.+)_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def join(paths: RunPaths, kind: str, output: Path) -> list[Path]:
    """Join the files of one kind below a run's directory into OUTPUT/DATASET/NAME.

    Raises
    ------
    UsageError
        If there are none, or those of one dataset do not go together.
    """
    groups = grouped(paths.files, kind)
    if not groups:
        raise UsageError(f"there are no {kind} files below {paths.files}")
    joined = []
    for name, files in groups.items():
        target = output / name
        target.parent.mkdir(parents=True, exist_ok=True)
        KINDS[kind](files, target)
        joined.append(target)
    return joined


def grouped(root: Path, kind: str) -> dict[str, list[Path]]:
    """Return the files that belong together, in the order of their inputs, by the name they get."""
    found: defaultdict[str, list[tuple[str, int, Path]]] = defaultdict(list)
    for path in root.rglob(f"*.{kind}"):
        span = _SPAN.match(path.name)
        stem, start = (span["stem"], int(span["start"])) if span else (path.stem, 0)
        named = _NAMED.match(stem)
        folder = path.parent.relative_to(root)
        name = folder / f"{named['name']}.{kind}" if named else folder.with_name(f"{folder.name}.{kind}")
        found[name.as_posix()].append((stem, start, path))
    return {name: [path for _, _, path in sorted(files)] for name, files in sorted(found.items())}


def _join_parquet(files: Sequence[Path], target: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    schemas = [pyarrow.parquet.read_schema(path) for path in files]
    try:
        schema = pyarrow.unify_schemas(schemas, promote_options="permissive")
    except pyarrow.ArrowException as error:
        raise UsageError(f"{target.name}: the files have different columns: {error}") from error
    with system.replacing(target) as stream, pyarrow.parquet.ParquetWriter(stream, schema) as writer:
        for path in files:
            with pyarrow.parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(ROWS):
                    writer.write_table(_as(schema, pyarrow.Table.from_batches([batch])))


def _as(schema: Any, table: Any) -> Any:
    """Return a table with all columns of the schema, in its order; those it lacks are null."""
    import pyarrow

    for field in schema:
        if field.name not in table.column_names:
            table = table.append_column(field, pyarrow.nulls(len(table), field.type))
    return table.select(schema.names).cast(schema)


def _join_root(files: Sequence[Path], target: Path) -> None:
    import uproot

    temporary = target.with_name(f".{target.name}.part")  # uproot closes what it is given
    with uproot.recreate(temporary) as output:
        sums: dict[str, Any] = {}
        written: set[str] = set()
        for path in files:
            with uproot.open(path) as file:
                for name, kind in file.classnames(cycle=False).items():
                    if kind == "TTree":
                        _append_tree(file[name], output, name, written)
                    elif kind.startswith(("TH1", "TH2", "TH3", "TProfile")):
                        found = file[name].to_hist()
                        sums[name] = sums[name] + found if name in sums else found
        for name, value in sums.items():
            output[name] = value
    temporary.replace(target)


def _append_tree(tree: Any, output: Any, name: str, written: set[str]) -> None:
    for arrays in tree.iterate(step_size=BYTES, library="ak"):
        content = _regrouped(tree, arrays)
        if name in written:
            output[name].extend(content)
        else:
            # uproot's own types of branches: counters of jagged ones come by themselves
            output.mktree(name, {key: value.type.content for key, value in content.items()})
            output[name].extend(content)
            written.add(name)


def _regrouped(tree: Any, arrays: Any) -> dict[str, Any]:
    """Return the branches as they were written: jagged ones that share a counter belong together."""
    import awkward as ak

    members: defaultdict[str, list[str]] = defaultdict(list)
    for branch in tree.branches:
        counter = branch.count_branch
        if counter is not None:
            members[counter.name].append(branch.name)
    content: dict[str, Any] = {}
    for counter, names in members.items():
        group = counter.removeprefix("n")
        if all(name.startswith(f"{group}_") for name in names):
            content[group] = ak.zip({name.removeprefix(f"{group}_"): arrays[name] for name in names})
        else:
            content.update({name: arrays[name] for name in names})
    inside = {*members, *(name for names in members.values() for name in names)}
    content.update({name: arrays[name] for name in arrays.fields if name not in inside})
    return content


KINDS: Mapping[str, Callable[[Sequence[Path], Path], None]] = {
    "parquet": _join_parquet,
    "root": _join_root,
}
