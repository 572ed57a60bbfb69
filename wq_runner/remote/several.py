"""Several processors in one run: each has chunks of its own, and those of one chunk read it once, together.

A chunk that is meant for one of them says so in its metadata, and has the name of a dataset of the run, which
is that of the samples with the processor's before it. The processor sees the dataset as the samples call it.

Each processor makes its events anew, of arrays that were read and decompressed once (`Shared`), and gets a
copy of each array: nothing that one does to its events, or to what is below them, is seen by another.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Hashable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

MEANT = "wq_runner_meant"
"""The key of metadata with the processor that a chunk is meant for, and what the samples call its dataset."""


class Several:
    """Processors by their names. They travel packed, so that a chunk unpacks only the one it is meant for."""

    def __init__(self, processors: Mapping[str, Any]) -> None:
        self._processors = dict(processors)

    def __reduce__(self) -> Any:
        return type(self), ({name: _Packed.of(self._processors[name]) for name in self._processors},)

    def __iter__(self) -> Iterator[str]:
        return iter(self._processors)

    def __call__(self, _events: Any) -> Any:
        """Refuse to be one processor: coffea's Runner takes what can be called."""
        raise TypeError(f"the events do not say which of {', '.join(self)} they are meant for")

    def named(self, name: str) -> Any:
        """Return a processor; one that has travelled as it was when it was packed."""
        found = self._processors[name]
        return found.unpacked() if isinstance(found, _Packed) else found


@dataclasses.dataclass(frozen=True)
class _Packed:
    content: bytes

    @classmethod
    def of(cls, processor: Any) -> _Packed:
        import cloudpickle

        return processor if isinstance(processor, cls) else cls(cloudpickle.dumps(processor))

    def unpacked(self) -> Any:
        import cloudpickle

        return cloudpickle.loads(self.content)


def is_several(processor: Any) -> bool:
    """Whether this is `Several`, by name: a worker may have imported this module under another one."""
    return type(processor).__name__ == Several.__name__ and hasattr(processor, "named")


def dataset_of(processor: str, dataset: str) -> str:
    """Return the name that a dataset of the samples has in the run, as that of one of several processors."""
    return f"{processor}.{dataset}" if processor else dataset


def each(processor: Any) -> dict[str, Any]:
    """Return the processors by their names: one alone has the empty name."""
    return {name: processor.named(name) for name in processor} if is_several(processor) else {"": processor}


def unpack(processor: Any) -> None:
    """Unpack all processors, if there are several, for what that imports."""
    for name in processor if is_several(processor) else ():
        processor.named(name)


def processor_of(dataset: str) -> str:
    """Return the one of several processors that has this dataset of the run: no name of one has a dot."""
    return dataset.partition(".")[0]


# -- chunks


def meant_for(item: Any) -> tuple[str, str]:
    """Return the processor that a chunk is meant for, and its dataset as the samples call it."""
    metadata = getattr(item, "usermeta", None)
    found = metadata.get(MEANT) if isinstance(metadata, Mapping) else None
    return found if found is not None else ("", str(getattr(item, "dataset", "")))


def as_given(item: Any) -> Any:
    """Return a chunk as its processor is to see it."""
    processor, dataset = meant_for(item)
    if not processor:
        return item
    metadata = {name: value for name, value in item.usermeta.items() if name != MEANT}
    return dataclasses.replace(item, dataset=dataset, usermeta=metadata)


def as_asked(out: Any, item: Any) -> Any:
    """Account for what was made of a chunk under the name that it was asked for."""
    if meant_for(item)[0] and isinstance(out, dict) and out.get("processed"):
        out["processed"] = {item}
    return out


def chunk_of(item: Any) -> Hashable | None:
    """Return what is the same for a chunk whichever processor it is meant for; None if there is one only."""
    if not meant_for(item)[0]:
        return None
    return (item.filename, item.treename, item.entrystart, item.entrystop)


def order(items: Sequence[Any]) -> list[int]:
    """Return the places of items as they are to be done: those of one chunk after each other."""
    first: dict[Hashable, int] = {}
    chunks = [place if (chunk := chunk_of(item)) is None else chunk for place, item in enumerate(items)]
    for place, chunk in enumerate(chunks):
        first.setdefault(chunk, place)
    return sorted(range(len(items)), key=lambda place: first[chunks[place]])


# -- what is read of them


class Shared:
    """The arrays of a chunk that several processors read, until the last of them is done."""

    def __init__(self, chunk: Hashable) -> None:
        self.chunk = chunk
        self.is_last = False  # whether nobody reads it after the present item
        self.arrays: dict[str, Any] = {}

    def before(self, cache: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """Return what uproot asks for arrays, which asks `cache` for what it does not have."""
        return _Asked(self, cache)

    def clear(self) -> None:
        self.arrays.clear()


class _Asked(MutableMapping[str, Any]):
    """uproot's cache of arrays for one of the processors."""

    def __init__(self, shared: Shared, below: MutableMapping[str, Any] | None) -> None:
        self._shared = shared
        self._below = {} if below is None else below

    def __reduce__(self) -> Any:
        return dict, ()  # what is read lazily may hold it, and travel in a result

    def __getitem__(self, key: str) -> Any:
        arrays = self._shared.arrays
        if self._shared.is_last and (found := arrays.pop(key, None)) is not None:
            return found
        if (found := arrays.get(key)) is not None:
            return _copied(found)
        found = self._below[key]
        self._keep(key, found)
        return found

    def __setitem__(self, key: str, value: Any) -> None:
        self._below[key] = value
        self._keep(key, value)

    def __delitem__(self, key: str) -> None:
        self._shared.arrays.pop(key, None)
        self._below.pop(key, None)

    def __iter__(self) -> Iterator[str]:
        return iter({**self._shared.arrays, **dict.fromkeys(self._below)})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _keep(self, key: str, value: Any) -> None:
        """Keep an array for those who read the chunk after this one."""
        if not self._shared.is_last:
            self._shared.arrays[key] = _copied(value)


def _copied(array: Any) -> Any:
    """Return a copy that has nothing in common with an array: who changes one does not change the other."""
    import awkward

    return awkward.copy(array) if isinstance(array, awkward.Array) else copy.deepcopy(array)
