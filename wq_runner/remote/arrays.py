"""Arrays of branches as numpy sees them: numbers, or lists of numbers as offsets and content.

Only these are kept as columns. They are put together again as uproot makes them, with either awkward.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .packs import Piece

Arrays = tuple[Any, ...]
"""Values; or offsets, which begin at 0, and content."""

_NUMBERS = "biuf"
_LISTS = {"ListOffsetArray", "ListOffsetArray32", "ListOffsetArray64"}


def is_plain(interpretation: Any) -> bool:
    """Whether uproot makes numbers of a branch, or lists of them."""
    from uproot.interpretation.jagged import AsJagged
    from uproot.interpretation.numerical import AsDtype

    content = interpretation.content if type(interpretation) is AsJagged else interpretation
    if type(content) is not AsDtype:
        return False
    return all(
        one.names is None and one.shape == () and one.kind in _NUMBERS
        for one in (content.from_dtype, content.to_dtype)
    )


def taken(array: Any) -> Arrays | None:
    """Return what is in an awkward array; None if it is of another form."""
    import numpy as np

    layout = array.layout
    if layout.parameters:
        return None
    if type(layout).__name__ == "NumpyArray":
        return _numbers(layout)
    if type(layout).__name__ not in _LISTS or layout.content.parameters:
        return None
    content = _numbers(layout.content) if type(layout.content).__name__ == "NumpyArray" else None
    if content is None:
        return None
    offsets = np.asarray(getattr(layout.offsets, "data", layout.offsets))
    if offsets.ndim != 1 or not len(offsets):
        return None
    first, last = int(offsets[0]), int(offsets[-1])
    return (offsets - offsets.dtype.type(first) if first else offsets), content[0][first:last]


def _numbers(layout: Any) -> Arrays | None:
    import numpy as np

    values = np.asarray(getattr(layout, "data", layout))  # of awkward 2, and of 1
    if values.ndim != 1 or values.dtype.kind not in _NUMBERS:
        return None
    return (np.ascontiguousarray(values),)


def cut(values: Arrays, ranges: Sequence[tuple[int, int]]) -> list[Arrays]:
    """Cut values into those of ranges of entries, of which the first begins where the values do."""
    origin = ranges[0][0]
    return [_sliced(values, start - origin, stop - origin) for start, stop in ranges]


def _sliced(values: Arrays, start: int, stop: int) -> Arrays:
    if len(values) == 1:
        return (values[0][start:stop],)
    offsets, content = values
    first, last = int(offsets[start]), int(offsets[stop])
    own = offsets[start : stop + 1]
    return (own - offsets.dtype.type(first) if first else own), content[first:last]


def is_sound(piece: Piece) -> bool:
    """Whether what was kept of a basket has as many entries as the basket."""
    length = piece.key.stop - piece.key.start
    if len(piece.arrays) == 1:
        return len(piece.arrays[0]) == length
    if len(piece.arrays) != 2:
        return False
    offsets, content = piece.arrays
    return len(offsets) == length + 1 and int(offsets[0]) == 0 and int(offsets[-1]) == len(content)


def joined(pieces: Sequence[tuple[int, int, Arrays]], start: int, stop: int) -> Any:
    """Return an awkward array of the entries from `start` to `stop`, of pieces that are neighbours."""
    import numpy as np

    parts = [
        _sliced(values, max(start, first) - first, min(stop, last) - first) for first, last, values in pieces
    ]
    if len(parts) == 1:
        whole = pieces[0][2][-1]
        return _array([_own(one, whole) for one in parts[0]])
    content = _together([one[-1] for one in parts])
    if len(parts[0]) == 1:
        return _array([content])
    shifts = np.cumsum([0, *(int(one[0][-1]) for one in parts)])
    offsets = [one[0][1:] + one[0].dtype.type(shift) for one, shift in zip(parts, shifts, strict=False)]
    return _array([np.concatenate([parts[0][0][:1], *offsets]), content])


def _together(parts: Sequence[Any]) -> Any:
    """Return one array of several: a view of what they are parts of, if they follow each other there."""
    import numpy as np

    whole, first = parts[0].base, parts[0]
    ends = [one.ctypes.data + one.nbytes for one in parts]
    follow = all(end == one.ctypes.data for end, one in zip(ends, parts[1:], strict=False))
    if not (follow and type(whole) is np.ndarray and whole.dtype == first.dtype and whole.ndim == 1):
        return np.concatenate(parts)
    if any(one.base is not whole for one in parts):
        return np.concatenate(parts)
    start = (first.ctypes.data - whole.ctypes.data) // whole.itemsize
    return _own(whole[start : start + sum(map(len, parts))], whole)


def _own(part: Any, whole: Any) -> Any:
    """Return a copy of a part that is small beside the whole, which else stays in memory with it."""
    return part.copy() if part.nbytes * 2 < whole.nbytes else part


def _array(values: Sequence[Any]) -> Any:
    import awkward as ak

    made = ak.contents if hasattr(ak, "contents") else ak.layout
    index = ak.index if hasattr(ak, "index") else ak.layout
    content = made.NumpyArray(values[-1])
    if len(values) == 1:
        return ak.Array(content)
    bits = values[0].dtype.itemsize * 8
    kind = (
        made.ListOffsetArray if hasattr(made, "ListOffsetArray") else getattr(made, f"ListOffsetArray{bits}")
    )
    return ak.Array(kind(getattr(index, f"Index{bits}")(values[0]), content))
