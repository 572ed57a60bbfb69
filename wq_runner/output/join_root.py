"""ROOT files joined into one: trees and RNTuples by their entries, histograms by their sums."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wq_runner.errors import OutputError, UsageError
from wq_runner.output.root_histograms import NotAddableError, add, is_histogram

_BYTES = "50 MB"  # of trees, at a time
_FOLDERS = ("TDirectory", "TDirectoryFile")
_TREES = ("TTree", "TNtuple", "TNtupleD")


@dataclass
class _Thing:
    """What one name is in the files: its class, which files have it, how many entries, and what these are."""

    kind: str
    files: list[Path] = field(default_factory=list)
    entries: int = 0
    columns: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    problem: str = ""

    @property
    def is_tree(self) -> bool:
        return self.kind in _TREES

    @property
    def is_ntuple(self) -> bool:
        return self.kind.endswith("RNTuple")


def join(files: Sequence[Path], target: Path) -> tuple[list[str], list[str]]:
    """Join files, and return what is worth knowing, and what could not be joined and is not there.

    Raises
    ------
    UsageError
        If a file cannot be read.
    OutputError
        If the result, read back, has not all entries.
    """
    things = _look(files)
    left_out = {name: one.problem for name, one in things.items() if one.problem}
    temporary = target.with_name(f".{target.name}.part")  # uproot closes what it is given
    try:
        while True:
            wanted = {name: one for name, one in things.items() if name not in left_out}
            failed = _write(wanted, temporary) if _content(wanted) else {}
            if not failed:
                break
            left_out |= failed  # and once more without: nothing of them is to be there
        if _content(wanted):
            _check(wanted, temporary)
            temporary.replace(target)
        else:
            target.unlink(missing_ok=True)  # of an earlier time
    finally:
        temporary.unlink(missing_ok=True)
    notes = [
        f"{name} is only in {len(one.files)} of {len(files)} files, not in {_first(files, one)}"
        for name, one in wanted.items()
        if len(one.files) < len(files) and one.kind not in _FOLDERS
    ]
    return notes, [f"{name} {why}" for name, why in left_out.items()]


def _content(things: Mapping[str, _Thing]) -> bool:
    return any(one.kind not in _FOLDERS for one in things.values())


def _first(files: Sequence[Path], one: _Thing) -> str:
    return next(path.name for path in files if path not in set(one.files))


def _look(files: Sequence[Path]) -> dict[str, _Thing]:
    """Look at everything in the files, and find what does not go together."""
    import uproot

    things: dict[str, _Thing] = {}
    for path in files:
        try:
            with uproot.open(path) as file:
                for name, key in _newest(file).items():
                    one = things.setdefault(name, _Thing(kind=key.fClassName))
                    one.files.append(path)
                    one.problem = one.problem or _problem(one, file, name, key)
        except (OSError, ValueError, LookupError) as error:
            text = " ".join(str(error).split())[:200]
            raise UsageError(f"{path.name} cannot be read: {type(error).__name__}: {text}") from error
    return things


def _newest(file: Any) -> dict[str, Any]:
    """Return the key of each name: of several cycles the last, as the others are backups of it."""
    found: dict[str, int] = {}
    for name in file.keys(recursive=True, cycle=True):
        plain, _, cycle = name.rpartition(";")
        found[plain] = max(found.get(plain, 0), int(cycle))
    return {name: file.key(f"{name};{cycle}") for name, cycle in found.items()}


def _problem(one: _Thing, file: Any, name: str, key: Any) -> str:
    """Compare what this file has with what the first had; note what is to be known of it."""
    where = Path(file.file_path).name
    if key.fClassName != one.kind:
        return f"is a {one.kind} in {one.files[0].name} and a {key.fClassName} in {where}"
    if one.is_tree or one.is_ntuple:
        tree = file[name]
        one.entries += tree.num_entries
        columns = _columns(tree, ntuple=one.is_ntuple)
        if len(one.files) == 1:
            one.columns = columns
            unread = sorted(column for column, kind in columns.items() if not kind)
            return f"has branches that cannot be read: {_some(unread)}" if unread else ""
        return _difference(one, columns, where)
    if is_histogram(one.kind) or one.kind in _FOLDERS:
        return ""
    chunk, _ = key.get_uncompressed_chunk_cursor()
    content = bytes(chunk.raw_data)
    if len(one.files) == 1:
        one.content = content
    return (
        "" if content == one.content else f"({one.kind}) is not the same in {one.files[0].name} and {where}"
    )


def _columns(tree: Any, *, ntuple: bool) -> dict[str, str]:
    """Return the columns of a tree with their types; one that cannot be read has none."""
    arrays = tree.arrays(entry_stop=0, library="ak")
    kinds = {name: str(arrays[name].type.content) for name in arrays.fields}
    if ntuple:
        return kinds
    return {name: kinds.get(name, "") for name in tree.keys(recursive=False)}


def _difference(one: _Thing, columns: Mapping[str, str], where: str) -> str:
    first = one.files[0].name
    for have, others, names in (
        (one.columns, columns, (first, where)),
        (columns, one.columns, (where, first)),
    ):
        lacking = sorted(have.keys() - others.keys())
        if lacking:
            return f"has {_some(lacking)} in {names[0]}, but not in {names[1]}"
    for name, kind in columns.items():
        if one.columns[name] != kind:
            return f"has {name} as {one.columns[name]} in {first} and as {kind} in {where}"
    return ""


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


# -- writing


def _write(things: Mapping[str, _Thing], temporary: Path) -> dict[str, str]:
    """Write everything, and return what failed; there is only something right if nothing did."""
    import uproot

    failed: dict[str, str] = {}
    with uproot.recreate(temporary) as output:
        for name, one in things.items():
            try:
                if one.kind in _FOLDERS:
                    output.mkdir(name)
                elif one.is_tree or one.is_ntuple:
                    _write_tree(output, name, one)
                elif is_histogram(one.kind):
                    output[name] = _total(name, one)
                else:
                    _copy(output, name, one)
            except NotAddableError as error:
                failed[name] = str(error)
            except (TypeError, ValueError, NotImplementedError, AttributeError, AssertionError) as error:
                text = " ".join(str(error).split())[:200]
                failed[name] = f"({one.kind}) cannot be written: {type(error).__name__}: {text}"
    return failed


def _total(name: str, one: _Thing) -> Any:
    import uproot

    total = None
    for path in one.files:
        with uproot.open(path) as file:
            found = file[name]
        if total is None:
            total = found
        else:
            add(total, found)
    return total


def _copy(output: Any, name: str, one: _Thing) -> None:
    """Copy what is the same in all files, whatever it is, as it is."""
    import uproot

    with uproot.open(one.files[0]) as file:
        output.copy_from(file, filter_name=lambda found: found == name)
    if "" in output:
        del output[""]  # what uproot takes for the directory of an object at the top


def _write_tree(output: Any, name: str, one: _Thing) -> None:
    made = None
    for title, content in _pieces(name, one):
        if made is None and one.is_ntuple:
            made = output.mkrntuple(name, content.layout.form, title)
        elif made is None:
            # uproot's own types of branches: counters of jagged ones come by themselves
            made = output.mktree(name, {key: value.type.content for key, value in content.items()}, title)
        if len(content if one.is_ntuple else next(iter(content.values()), ())):
            made.extend(content)


def _pieces(name: str, one: _Thing) -> Iterator[tuple[str, Any]]:
    """Yield all entries, after none at all: what has no entries has columns."""
    import uproot

    for path in one.files:
        with uproot.open(path) as file:
            tree = file[name]
            title = "" if one.is_ntuple else tree.title
            steps = tree.iterate(step_size=_BYTES, library="ak") if tree.num_entries else ()
            for arrays in itertools.chain([tree.arrays(entry_stop=0, library="ak")], steps):
                yield title, arrays if one.is_ntuple else _regrouped(tree, arrays)


def _regrouped(tree: Any, arrays: Any) -> dict[str, Any]:
    """Return the branches as they were written: jagged ones that share a counter belong together."""
    import awkward as ak

    members: defaultdict[str, list[str]] = defaultdict(list)
    for branch in tree.branches:
        counter = branch.count_branch
        if counter is not None:
            members[counter.name].append(branch.name)
    content: dict[str, Any] = {}
    inside: set[str] = set()
    for counter, names in members.items():
        group = counter.removeprefix("n")
        inside |= {*names}
        if all(name.startswith(f"{group}_") for name in names):
            content[group] = ak.zip({name.removeprefix(f"{group}_"): arrays[name] for name in names})
            inside.add(counter)
        else:
            content.update({name: arrays[name] for name in names})
            inside |= {counter} if counter in {f"n{name}" for name in names} else set()
    content.update({name: arrays[name] for name in arrays.fields if name not in inside})
    return content


def _check(things: Mapping[str, _Thing], temporary: Path) -> None:
    """Read back how many entries there are, and which columns."""
    import uproot

    with uproot.open(temporary) as file:
        for name, one in things.items():
            if not (one.is_tree or one.is_ntuple):
                continue
            tree = file[name]
            lacking = one.columns.keys() - set(tree.keys(recursive=False))
            if tree.num_entries != one.entries or lacking:
                raise OutputError(
                    f"{name}: {tree.num_entries} of {one.entries} entries are in the sum"
                    + (f", without {_some(sorted(lacking))}" if lacking else ""),
                    hint="this is a bug in wq-runner: please report it with one of the files",
                )
