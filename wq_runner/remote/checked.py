"""uproot's cache of objects, by which a file is compared with the one that was planned."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any
from uuid import UUID

from . import baskets
from .columns import Columns
from .failure import ChangedFileError
from .inputs import Inputs, Known


class Checked(MutableMapping[str, Any]):
    """uproot's cache of objects, whose keys begin with the uuid of their file: no other file is read.

    `path` is that of the file that is open, as several may have one uuid: ROOT writes zeros where files are
    to be reproducible. `expected` is the uuid of the file that was planned, empty if it is not known.
    """

    def __init__(self, inputs: Inputs | None = None, kept: Columns | None = None) -> None:
        self.inputs = inputs or Inputs()
        self.columns = kept or Columns()
        self.path: Any = None
        self.expected = ""
        self._objects: dict[str, Any] = {}

    def __reduce__(self) -> Any:
        return type(self), ()  # what is read lazily may hold it, and travel in a result

    def __getitem__(self, key: str) -> Any:
        self.check(key)
        return self._objects[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if is_tree(value):
            self._keep_columns(value, self.inputs.look(value))
        self._objects[key] = value

    def __delitem__(self, key: str) -> None:
        del self._objects[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._objects)

    def __len__(self) -> int:
        return len(self._objects)

    def _keep_columns(self, tree: Any, seen: Known) -> None:
        """Read the arrays of an item's tree by way of the columns that are kept."""
        if self.inputs.is_of_item(tree):
            baskets.attach(self.columns, tree, seen[0])

    def expect(self, item: Any) -> None:
        """Get ready for an item, which may be of another file; not every item says of which."""
        self.path = getattr(item, "filename", None)
        known = getattr(item, "fileuuid", b"")
        is_known = isinstance(known, bytes) and len(known) == 16 and any(known)
        self.expected = str(UUID(bytes=known)) if is_known else ""
        self._objects.clear()

    def check(self, key: str) -> None:
        found = key.partition(":")[0]
        if self.expected and found != self.expected:
            raise ChangedFileError(
                f"it was written anew since it was planned: its uuid is {found} now, not {self.expected}"
            )


def is_tree(value: Any) -> bool:
    return hasattr(value, "object_path") and hasattr(value, "num_entries")
