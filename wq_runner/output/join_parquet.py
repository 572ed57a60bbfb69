"""Parquet files joined into one, a piece at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wq_runner import system
from wq_runner.errors import OutputError, UsageError

_ROWS = 100_000  # at a time
_DERIVED = (b"pandas", b"ARROW:schema")  # metadata that follow from the columns and rows of one file


def join(files: Sequence[Path], target: Path) -> tuple[list[str], list[str]]:
    """Join files, and return what is worth knowing, and what could not be joined and is not there.

    Raises
    ------
    UsageError
        If their columns do not go together.
    OutputError
        If the result, read back, has not all rows.
    """
    import pyarrow
    import pyarrow.parquet

    schemas = {path: pyarrow.parquet.read_schema(path) for path in files}
    try:
        schema = pyarrow.unify_schemas(list(schemas.values()), promote_options="permissive")
    except pyarrow.ArrowException as error:
        raise UsageError(f"the files have different columns: {error}") from error
    metadata, different = _metadata(schemas)
    schema = schema.with_metadata(metadata)
    rows = 0
    with system.replacing(target) as stream, pyarrow.parquet.ParquetWriter(stream, schema) as writer:
        for path in files:
            with pyarrow.parquet.ParquetFile(path) as file:
                rows += file.metadata.num_rows
                for batch in file.iter_batches(_ROWS):
                    writer.write_table(_as(schema, pyarrow.Table.from_batches([batch]), path))
    found = pyarrow.parquet.read_metadata(target).num_rows
    if found != rows:
        raise OutputError(f"{target.name}: {found} of {rows} rows are in the sum")
    notes = [
        f"{field.name} is null in the rows of {lacking} of {len(files)} files, which do not have it"
        for field in schema
        if (lacking := sum(field.name not in one.names for one in schemas.values()))
    ]
    left_out = [f"the metadata {name} differs between the files, and is not in the sum" for name in different]
    return notes, left_out


def _metadata(schemas: Mapping[Path, Any]) -> tuple[dict[bytes, bytes], list[str]]:
    """Return the metadata that are the same in all files, and the names of those that are not.

    A sum of weights of one file would be taken for that of all.
    """
    several = [one.metadata or {} for one in schemas.values()]
    names = dict.fromkeys(name for one in several for name in one)
    same = {name: several[0][name] for name in names if len({one.get(name) for one in several}) == 1}
    return same, [
        name.decode(errors="replace") for name in names if name not in same and name not in _DERIVED
    ]


def _as(schema: Any, table: Any, path: Path) -> Any:
    """Return a table with all columns of the schema, in its order; those it lacks are null."""
    import pyarrow

    for field in schema:
        if field.name not in table.column_names:
            table = table.append_column(field, pyarrow.nulls(len(table), field.type))
    try:
        return table.select(schema.names).cast(schema)
    except pyarrow.ArrowException as error:
        raise UsageError(f"{path.name}: a column has another type than in other files: {error}") from error
