"""What a result depends on besides its input, as names and hashes that two runs can compare."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, MappingProxyType
from typing import Any

from wq_runner import literals
from wq_runner.code.arguments import of_processor
from wq_runner.code.own_modules import Source
from wq_runner.fingerprint import canonical
from wq_runner.fingerprint.postprocessing import NAME, Ending
from wq_runner.model import Fileset
from wq_runner.remote.contents import CODE, FILE, MORE, SHIPPED, VARIABLE, hash_of

END = "the postprocess of the processor"
"""The name of the entry with what is called when all chunks are done, where it is told apart."""
METADATA = "the metadata of "
"""How the name of the entry with what the samples say of a dataset begins."""
FORM = "what is compared"  # the name of the entry with
VERSION = "4"  # raised when the same thing gets another name or hash
PROCESSOR = "the processor"
_ATTRIBUTE = "the attribute "
_ITSELF = "the processor itself"  # what it is, where no file says it
_OF_ONE = re.compile(r"([A-Za-z_]\w*): ")
_UNKNOWN = "not known"  # and the hash of what is


def fingerprint(
    *,
    processors: Mapping[str, str],
    arguments: Mapping[str, Any],
    schema: str,
    naming: str,
    environment: str,
    fileset: Fileset,
    seed: int | None = None,
) -> dict[str, str]:
    """Return what results depend on besides the input, without the code; `processors` are by their names."""
    metadata = {dataset.name: dict(dataset.metadata) for dataset in fileset}
    return {
        FORM: VERSION,
        **{of_one(name, PROCESSOR): _placeless(place) for name, place in processors.items()},
        **{
            of_one(name, "the arguments of the processor"): digest_of(
                literals.identity(of_processor(arguments, name, processors))
            )
            for name in processors
        },
        "the schema": schema,
        "the naming of files": naming,
        "the environment": environment,
        **({"the seed of random numbers": str(seed)} if seed is not None else {}),
        **{f"{METADATA}{name}": digest_of(values) for name, values in metadata.items()},
    }


def of_one(processor: str, name: str) -> str:
    """Return the name of an entry that one of several processors depends on, and not the others."""
    return f"{processor}: {name}" if processor else name


def owner(name: str) -> str:
    """Return the one of several processors that an entry is about; empty if it is about all."""
    found = _OF_ONE.match(name)
    return found[1] if found else ""


def processor_of(values: Mapping[str, str]) -> str:
    """Return what the processor is called, or all of them."""
    ends = tuple(of_one(one, PROCESSOR) for one in ("", *map(owner, values)))
    return ", ".join(value for name, value in sorted(values.items()) if name in ends)


def _placeless(processor: str) -> str:
    """Return the name of a processor without the directory of its file, which is known by its content."""
    place, colon, name = processor.rpartition(":") if ":" in processor else (processor, "", "")
    return f"{Path(place).name}{colon}{name}" if place.endswith(".py") else processor


# -- names of files


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the files of an analysis lie, so that a checkout may be moved, or lie elsewhere on another node.

    `base` is the directory that the processor is imported from. What is in one of `roots` is named as it is
    seen from there.
    """

    base: Path
    roots: tuple[Path, ...] = field(default=())

    @classmethod
    def around(cls, base: Path) -> Places:
        """Return the places of an analysis: its repository, and the current directory if it is in there."""
        base, here = base.resolve(), Path.cwd()
        above = [here] if base.is_relative_to(here) else []
        return cls(base=base, roots=tuple(dict.fromkeys((base, _repository(base), *above))))

    def name(self, name: str) -> str:
        """Return the name of something without the place: that of a file, as it is noted with its path."""
        kind, path = _split(name)
        if kind not in (FILE, CODE):
            return name
        for one in (Path(path), Path(os.path.realpath(path))):
            if any(one.is_relative_to(root) for root in self.roots):
                return kind + os.path.relpath(one, self.base)
        return kind + path

    def full(self, name: str) -> str:
        """Return the name with the path."""
        kind, path = _split(name)
        return kind + os.path.normpath(self.base / path) if kind in (FILE, CODE) else name


def _split(name: str) -> tuple[str, str]:
    kind = next((one for one in (FILE, CODE, VARIABLE) if name.startswith(one)), "")
    return kind, name[len(kind) :]


@functools.lru_cache(maxsize=100)
def _repository(directory: Path) -> Path:
    """Return the root of the repository that a directory is in, or itself."""
    return next((one for one in (directory, *directory.parents) if (one / ".git").exists()), directory)


# -- what it is made of


def code(sources: Iterable[Source], places: Places) -> dict[str, str]:
    """Return the hash of each source file.

    Of one that was edited since, both hashes: what ran is neither what was there nor what is.
    """
    return {
        places.name(f"{CODE}{one.path}"): f"{one.imported} {one.now}" if one.edited else one.now
        for one in sources
    }


def ending(found: Ending | None, places: Places) -> dict[str, str]:
    """Return what stands for the file with a postprocess that is told apart, and for that.

    What tasks read of the file is compared with neither: it is not the hash of the whole.
    """
    if found is None:
        return {}
    return {places.name(f"{CODE}{found.path}"): f"{found.rest} but for {NAME}", END: found.own}


def without_end(values: Mapping[str, str]) -> dict[str, str]:
    """Return what the results of chunks depend on."""
    return {name: value for name, value in values.items() if name != END}


def without_metadata(values: Mapping[str, str]) -> dict[str, str]:
    """Return what the results of all datasets depend on."""
    return {name: value for name, value in values.items() if not name.startswith(METADATA)}


def again(names: Iterable[str], places: Places) -> dict[str, str]:
    """Return the hashes as they are now of what was read before."""
    return {name: hash_of(places.full(name)) for name in names}


def state(processor: Any, places: Places) -> dict[str, str]:
    """Return the hash of each attribute of a processor, and that of its code if it is in no file."""
    if isinstance(processor, FunctionType) or not hasattr(processor, "__dict__"):
        return {_ITSELF: of_value(processor, places)}
    own = vars(processor).items()
    found = {f"{_ATTRIBUTE}{name} of the processor": of_value(value, places) for name, value in own}
    if type(processor).__module__ == "__main__":
        found[_ITSELF] = of_value(type(processor), places)
    return found


def of_value(value: Any, places: Places, names: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the hash of what a value is, or one that says that not all of it can be known.

    `names` are those of texts that get theirs from the process.
    """
    try:
        return canonical.digest(value, places.roots, names)[:16]
    except canonical.UnknownError as error:
        return f"{_UNKNOWN} {error.known[:16]}".strip()


def not_watched(fingerprint: Mapping[str, str], unwatched: Iterable[str]) -> list[str]:
    """Say in words what a result depends on and nobody compares.

    Those are attributes of which not all has a content that could be compared, and `unwatched`, which only
    workers see.
    """
    unknown = [name for name, value in fingerprint.items() if value.startswith(_UNKNOWN)]
    # a package that was compiled for workers is known by its sources
    built = (CODE + SHIPPED, FILE + SHIPPED)
    unwatched = [one for one in unwatched if not (one.startswith(built) and one.endswith((".py", ".so")))]
    return [*unknown, *map(_elsewhere, sorted(unwatched))]


def _elsewhere(name: str) -> str:
    kind, rest = _split(name)
    if rest == MORE:
        return f"what tasks read, {MORE}"
    return f"the {'variable' if kind == VARIABLE else 'file'} {rest.removeprefix(SHIPPED)} (only on workers)"


def is_attribute(name: str) -> bool:
    return _OF_ONE.sub("", name, count=1).startswith(_ATTRIBUTE)


# -- what differs


def placeless(fingerprint: Mapping[str, str]) -> dict[str, str]:
    """Return what jobs that were made together can differ in, wherever the code lies on their nodes.

    Attributes follow from the rest, or from the node and the time.
    """
    found = {_code_name(name): value for name, value in fingerprint.items() if not is_attribute(name)}
    return found | {PROCESSOR: Path(processor_of(fingerprint)).name}


def _code_name(name: str) -> str:
    """Return the name of an entry as it was made before names were without places."""
    path = Path(name.removeprefix(CODE))
    return CODE + "/".join(path.parts[-2:]) if name.startswith(CODE) and path.is_absolute() else name


def between(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Say in words what two runs differ in, by their run.json."""
    found = changes(one["fingerprint"], other["fingerprint"])
    late = [run.get("read_late", {}) for run in (one, other)]
    # tasks of other datasets read other files
    both = sorted({*late[0]} & {*late[1]})
    return found + [_in_words(name) for name in both if late[0][name] != late[1][name]]


def changes(previous: Mapping[str, str], now: Mapping[str, str], base: str = "") -> list[str]:
    """Say in words what differs. Datasets that came or went are no change: their chunks tell.

    `base` is the directory of the processor, whose files are named without it.
    """
    if previous.get(FORM) != now.get(FORM):
        return ["the version of wq-runner, which compares other things,"]
    names = differing(previous, now)
    others = {owner(name) for name in names if name == of_one(owner(name), PROCESSOR)}
    # what another processor is made of differs, of course
    names = [name for name in names if owner(name) not in others or not _is_of_itself(name)]
    return [_in_words(name, base) for name in names]


def differing(previous: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the names of what differs. A processor that came or went, as a dataset, is no change."""
    both = {*map(owner, previous)} & {*map(owner, now)}
    return [
        name
        for name in sorted({*previous, *now})
        if previous.get(name) != now.get(name)
        and not (name.startswith(METADATA) and not (name in previous and name in now))
        and owner(name) in {"", *both}
    ]


def outdated(previous: Mapping[str, str], now: Mapping[str, str]) -> set[str]:
    """Return those of several processors of which something differs, if nothing does that all depend on."""
    if previous.get(FORM) != now.get(FORM):
        return set()
    found = set(map(owner, differing(previous, now)))
    return set() if "" in found else found


def _is_of_itself(name: str) -> bool:
    return is_attribute(name) or _OF_ONE.sub("", name, count=1) == _ITSELF


def _in_words(name: str, base: str = "") -> str:
    if name == _ITSELF:
        return "the code of the processor"
    if whose := owner(name):
        return f"{_in_words(name.removeprefix(of_one(whose, '')), base)} of {whose}"
    kind, rest = _split(name)
    if kind == VARIABLE:
        return f"the variable {rest}"
    if kind not in (FILE, CODE):
        return name
    path = Path(os.path.normpath(f"{base}/{rest}" if base and not Path(rest).is_absolute() else rest))
    shown = f"{path.parent.name}/{path.name}".lstrip("./")
    return f"the code ({shown})" if kind == CODE else f"the file {shown}"


def digest_of(value: Any) -> str:
    """Return a hash of something that is, or could be, in a file of JSON."""
    try:
        text = json.dumps(value, sort_keys=True, default=str)
    except TypeError:  # keys of two kinds have no order
        text = json.dumps(_ordered(value), default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _ordered(value: Any) -> Any:
    """Return mappings as lists of pairs, in the order of their keys as text."""
    if isinstance(value, Mapping):
        pairs = [[type(key).__name__, str(key), _ordered(one)] for key, one in value.items()]
        return sorted(pairs, key=lambda pair: pair[:2])
    return [_ordered(one) for one in value] if isinstance(value, list | tuple) else value
