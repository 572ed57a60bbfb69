"""Trees read without their branches: how many entries a tree has stands before them.

Of a file that is only opened, the branches are nearly all that uproot reads and makes objects of: 24 of 26 ms
for a hundred of them, and 0.8 s for the 1,600 of NanoAOD.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any


def classes() -> dict[str, Any]:
    """Return `custom_classes` for one `open` of uproot's, with which a TTree has neither branches nor leaves.

    Only the own numbers of the tree may be used. A file whose tree uproot reads by the file's description
    of classes cannot be read so, nor one in which something else refers to what was skipped: both are errors.
    """
    import uproot

    # of its own for each file: uproot changes it
    return {**uproot.classes, **_skipping()}


@functools.cache
def _skipping() -> dict[str, Any]:
    import uproot

    class Model_TObjArray(uproot.model.Model):  # type: ignore[misc]  # noqa: N801 - uproot reads its name
        """An array that is skipped, by the length that stands in front of it."""

        def read_members(self, _chunk: Any, cursor: Any, _context: Any, _file: Any) -> None:
            cursor.move_to(self._cursor.index + self._num_bytes)

        def __iter__(self) -> Iterator[Any]:
            return iter(())

        def __len__(self) -> int:
            return 0

    class Model_TStreamerInfo(uproot.model.Model):  # type: ignore[misc]  # noqa: N801
        """The description of a class, which has its members in such an array.

        Without them it would be wrong, and uproot keeps the classes that it makes for all files of a process.
        """

        @classmethod
        def read(cls, *_: Any, **__: Any) -> Any:
            raise NotImplementedError("the file's own description of classes is needed")

    return {"TObjArray": Model_TObjArray, "TStreamerInfo": Model_TStreamerInfo}
