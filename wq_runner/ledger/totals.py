"""Adding results up, and saying of two that cannot be added what it is in them, and where they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wq_runner import guarded
from wq_runner.errors import EngineError, ProcessorError, WqRunnerError

SHOWN = 200  # characters that say what a value is

OUT, PROCESSED = "out", "processed"  # as coffea's function calls a result, and the chunks that are in it


def total(results: Mapping[str, Any], *, hint: str = "") -> Any:
    """Return the sum of results, by the names of their datasets. They stay as they are.

    Raises
    ------
    ProcessorError
        If two cannot be added: named with what it is in them, and a chunk of each.
    EngineError
        If there is no memory for it.
    """
    whole: Any = None
    for count, (name, result) in enumerate(results.items()):
        try:
            whole = result if count == 0 else _added(whole, result, fresh=count == 1)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            before = {one: results[one] for one in list(results)[:count]}
            raise _failure(before, {name: result}, error, hint) from error
    return whole


def added(result: Any, whole: Any) -> Any:
    """Return the sum of a result and what there is of its dataset, which may be changed.

    Raises
    ------
    ProcessorError, EngineError
        As for `total`.
    """
    if whole is None:
        return result
    try:
        return _added(whole, result, fresh=False)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        hint = "each chunk must return the same structure: dicts of numbers, sets, histograms, lists"
        raise _failure({"": whole}, {"": result}, error, hint) from error


def out_of_memory(doing: str) -> WqRunnerError:
    """Return what is said where this process has no memory left."""
    return EngineError(
        f"there is not enough memory on this machine {doing}",
        hint="what was done is kept: start the same command where there is more, let chunks return less, or "
        "take a form of output that is in several files (--outputs)",
        page="too-large",
    )


def _added(whole: Any, result: Any, *, fresh: bool) -> Any:
    from coffea.processor import accumulate

    return accumulate([whole, result]) if fresh else accumulate([result], whole)


# -- what cannot be added


def _failure(
    before: Mapping[str, Any], after: Mapping[str, Any], error: BaseException, hint: str
) -> WqRunnerError:
    """Return what is said of a result that cannot be added to those before it, by names of datasets."""
    if isinstance(error, MemoryError):
        return out_of_memory("to add the results up")
    [later] = after.items()
    earlier = next((one for one in before.items() if _fails(one[1], later[1])), next(iter(before.items())))
    path = _path(earlier[1], later[1])
    keys = path[1:] if path[:1] == [OUT] else path
    what = " -> ".join(map(repr, keys)) or "what the processor returned"
    lines = [f"{_origin(name, result)}: {_shown(_at(result, path))}" for name, result in (earlier, later)]
    whose = f"datasets {earlier[0]} and {later[0]}" if later[0] else "two chunks"
    own = f"\n\n{guarded.lines_of(error)}" if guarded.is_of_user(error) else ""
    said = f"{type(error).__name__}: {error}"
    text = f"{what} of {whose} cannot be added: {said}\n\n  {lines[0]}\n  {lines[1]}{own}"
    return ProcessorError(text, hint=hint)


def _fails(one: Any, other: Any) -> bool:
    try:
        _added(one, other, fresh=True)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return True
    return False


def _path(one: Any, other: Any) -> list[Any]:
    """Return the keys that lead to what cannot be added."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return []
    for key in other:
        if key in one and _fails(one[key], other[key]):
            return [key, *_path(one[key], other[key])]
    return []


def _at(value: Any, path: Sequence[Any]) -> Any:
    for key in path:
        value = value[key]
    return value


def _origin(name: str, result: Any) -> str:
    """Say where a result came from: the dataset, and one of its chunks."""
    items = result.get(PROCESSED, ()) if isinstance(result, Mapping) else ()
    chunks = sorted((str(one.filename), one.entrystart, one.entrystop) for one in items)
    if not chunks:
        return name or "a chunk"
    path, start, stop = chunks[0]
    more = f" and {len(chunks) - 1} more" if len(chunks) > 1 else ""
    return f"{name and f'{name}, '}{path.rsplit('/', 1)[-1]}, events {start}-{stop}{more}"


def _shown(value: Any) -> str:
    """Say what a value is: of a histogram the axes, of a mapping the keys."""
    try:
        axes = getattr(value, "axes", None)
        told = ", ".join(map(repr, axes)) if axes is not None else ""
        if not told and isinstance(value, Mapping):
            told = f"{type(value).__name__} of {', '.join(map(repr, value))}"
        text = " ".join((told or f"{type(value).__name__} {value!r}").split())
    except Exception:  # it is the user's, and may be anything
        text = type(value).__name__
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
