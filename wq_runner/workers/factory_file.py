"""factory.json: written from options, read as the engine reads it, checked, and edited in place.

The engine's parser is laxer than JSON: it takes comments and commas before a closing brace. It takes
unknown keys without a word, and of a key that stands twice it takes the first.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner import system
from wq_runner.errors import Problem, UsageError, did_you_mean
from wq_runner.units import MB
from wq_runner.workers.batch import SYSTEMS

TEXTS = ("manager-name", "foremen-name", "worker-extra-options", "condor-requirements", "factory-name")
NUMBERS = (
    "max-workers",
    "min-workers",
    "workers-per-cycle",
    "capacity",
    "timeout",
    "cores",
    "memory",
    "disk",
    "gpus",
    "autosize",
    "factory-timeout",
    "tasks-per-worker",
)
OLD_NAMES = {"master-name": "manager-name"}  # of releases before 7.3
KEYS = (*TEXTS, *NUMBERS)
ALL = 0  # workers per cycle: as many as are missing
DEFAULTS = {"min-workers": 5, "max-workers": 100}  # the engine's, for what is not said

_TOKEN = re.compile(
    r'(?P<space>\s+)|(?P<comment>#[^\n]*)|(?P<string>"(?:[^"\\\n]|\\.)*")'
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<word>[A-Za-z_]\w*)|(?P<mark>[{}:,\[\]])"
)


@dataclass(frozen=True, kw_only=True)
class FactoryFile:
    """The values of a factory.json; those that are None are not in it. Memory and disk are in MB."""

    manager_name: str
    max_workers: int
    min_workers: int = 0
    workers_per_cycle: int | None = None
    cores: int | None = None
    memory: int | None = None
    disk: int | None = None
    gpus: int | None = None
    timeout: int | None = None
    condor_requirements: str | None = None
    worker_extra_options: str | None = None


def text_of(file: FactoryFile) -> str:
    """Return the text of a factory.json, which is strict JSON."""
    values = {name.replace("_", "-"): value for name, value in dataclasses.asdict(file).items()}
    return json.dumps({key: value for key, value in values.items() if value is not None}, indent=2) + "\n"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A key with its value; `start` and `stop` are where the value stands in the text."""

    key: str
    value: Any
    line: int
    start: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """A file as the engine understands it; `lax` says what strict JSON would not take."""

    entries: tuple[Entry, ...]
    lax: tuple[Problem, ...] = ()

    @property
    def values(self) -> Mapping[str, Any]:
        """The value of each key: the first one counts."""
        return {one.key: one.value for one in reversed(self.entries)}


class NotUnderstoodError(ValueError):
    """The engine would not read this; `line` is where."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    line: int


def parse(text: str, name: str = "factory.json") -> Parsed:
    """Read a file as laxly as the engine does.

    Raises
    ------
    NotUnderstoodError
        If the engine does not read it either: it would keep its old values.
    """
    lax: list[Problem] = []
    tokens = list(_tokens(text, lax, name))
    entries: list[Entry] = []
    place = 0

    def take(*wanted: str) -> _Token:
        nonlocal place
        token = tokens[place]
        if token.text not in wanted and token.kind not in wanted:
            found = token.text or "the end"
            raise NotUnderstoodError(token.line, f"{' or '.join(wanted)} expected, but there is {found}")
        place += 1
        return token

    take("{")
    while tokens[place].text != "}":
        key = take("string", "}")
        take(":")
        start = tokens[place]
        place, value = _value(tokens, place)
        last = tokens[place - 1]
        entries.append(
            Entry(
                key=json.loads(key.text),
                value=value,
                line=key.line,
                start=start.start,
                stop=last.start + len(last.text),
            )
        )
        comma = take(",", "}")
        if comma.text == "}":
            place -= 1
        elif tokens[place].text == "}":
            lax.append(Problem(where=f"{name}:{comma.line}", text="a comma before the closing brace"))
    take("}")
    take("end")
    return Parsed(entries=tuple(entries), lax=tuple(lax))


def _tokens(text: str, lax: list[Problem], name: str) -> Iterator[_Token]:
    place, line = 0, 1
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise NotUnderstoodError(line, f"{text[place:].splitlines()[0][:20]!r} is not understood")
        if match.lastgroup == "comment":
            lax.append(Problem(where=f"{name}:{line}", text="a comment"))
        elif match.lastgroup != "space":
            yield _Token(str(match.lastgroup), match.group(), place, line)
        line += match.group().count("\n")
        place = match.end()
    yield _Token("end", "", len(text), line)


def _value(tokens: Sequence[_Token], place: int) -> tuple[int, Any]:
    token = tokens[place]
    if token.kind in {"string", "number"}:
        return place + 1, json.loads(token.text)
    words = {"true": True, "false": False, "null": None}
    if token.text in words:
        return place + 1, words[token.text]
    if token.text == "[":
        return _list(tokens, place)
    raise NotUnderstoodError(token.line, f"a value expected, but there is {token.text or 'the end'}")


def _list(tokens: Sequence[_Token], place: int) -> tuple[int, list[Any]]:
    found: list[Any] = []
    place += 1
    while tokens[place].text != "]":
        place, value = _value(tokens, place)
        found.append(value)
        if tokens[place].text == ",":
            place += 1
        elif tokens[place].text != "]":
            raise NotUnderstoodError(tokens[place].line, "] expected")
    return place + 1, found


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is wrong with a file, and what is worth knowing of one that works.

    `refused` is whether a running factory would keep its old values, all of them.
    """

    errors: tuple[Problem, ...] = ()
    refused: bool = False
    warnings: tuple[Problem, ...] = ()
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def check(text: str, name: str = "factory.json") -> Report:
    """Say all that can be said of a file by looking at it."""
    try:
        parsed = parse(text, name)
    except NotUnderstoodError as error:
        return Report(errors=(Problem(where=f"{name}:{error.line}", text=str(error)),), refused=True)
    errors: list[Problem] = []
    warnings = [
        Problem(where=one.where, text=f"{one.text}: the factory takes it, strict JSON does not")
        for one in parsed.lax
    ]
    first: dict[str, int] = {}
    refused = False
    for entry in parsed.entries:
        where = f"{name}:{entry.line}"
        if entry.key in first:
            text_ = f"{entry.key} stands in line {first[entry.key]} already: the first one counts"
            errors.append(Problem(where=where, text=text_))
            continue
        first[entry.key] = entry.line
        wrong = _wrong(entry)
        refused = refused or bool(wrong and entry.key in KEYS)  # keys that it does not know, it ignores
        errors += [Problem(where=where, text=text_) for text_ in wrong]
        if entry.key in OLD_NAMES:
            warnings.append(
                Problem(where=where, text=f"{entry.key} is the old name of {OLD_NAMES[entry.key]}")
            )
    values = parsed.values
    together = _wrong_together(values)
    errors += [Problem(where=name, text=text_) for text_ in together]
    if "min-workers" not in values:
        warnings.append(
            Problem(where=name, text="no min-workers: the factory keeps 5, also when nothing is to be done")
        )
    return Report(
        errors=tuple(errors), refused=refused or bool(together), warnings=tuple(warnings), values=values
    )


def _wrong(entry: Entry) -> list[str]:
    key, value = entry.key, entry.value
    if key in NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int):
            return [f"{key} is {json.dumps(value)}: the factory takes a whole number only, without quotes"]
        return [f"{key} is {value}: it must not be negative"] if value < 0 else []
    if key in TEXTS or key in OLD_NAMES:
        return (
            [] if isinstance(value, str) else [f"{key} is {json.dumps(value)}: it must be a text in quotes"]
        )
    return [f"no key {key}, the factory ignores it.{did_you_mean(key, KEYS)}"]


def _wrong_together(values: Mapping[str, Any]) -> list[str]:
    found = []
    if values.get("max-workers") == 0:
        found.append("max-workers is 0: the factory takes 1 and more")
    least, most = (values.get(key, DEFAULTS[key]) for key in ("min-workers", "max-workers"))
    if isinstance(least, int) and isinstance(most, int) and least > most:
        default = "" if "min-workers" in values else ", its default,"
        found.append(f"min-workers{default} is {least}, above max-workers, {most}")
    pattern = values.get("manager-name", values.get("master-name"))
    if pattern is None:
        found.append("no manager-name: whom are the workers for?")
    elif isinstance(pattern, str):
        try:
            re.compile(pattern)
        except re.error as error:
            found.append(f"manager-name {pattern!r} is no regular expression: {error}")
    return found


def edit(text: str, changes: Mapping[str, int]) -> str:
    """Return the text with other numbers; everything else in it stays as it is."""
    for key, value in changes.items():
        parsed = parse(text)
        entry = next((one for one in parsed.entries if one.key == key), None)
        if entry is not None:
            text = f"{text[: entry.start]}{value}{text[entry.stop :]}"
        else:
            brace = text.index("{") + 1 if not parsed.entries else _line_start(text, parsed.entries[0])
            lines = "\n" in text
            line = f'{"  " if lines else ""}"{key}": {value}{"," if parsed.entries else ""}'
            text = f"{text[:brace]}{line}{chr(10) if lines else ' '}{text[brace:]}"
    return text


def _line_start(text: str, entry: Entry) -> int:
    key = text.rindex(f'"{entry.key}"', 0, entry.start)
    newline = text.rfind("\n", 0, key) + 1
    return newline if not text[newline:key].strip() else key


def scale(path: Path, changes: Mapping[str, int]) -> str:
    """Change numbers of a file at once; the factory that reads it follows within a minute.

    Raises
    ------
    UsageError
        If the file is wrong, or would be.
    """
    try:
        before = path.read_text(encoding="utf-8")
        after = edit(before, changes)
    except NotUnderstoodError as error:
        hint = f"wq-workers check {shlex.quote(str(path))}"
        raise UsageError(f"{path}:{error.line}: {error}", hint=hint, page="factory-files") from error
    wrong = _wrong_together(parse(after).values)
    if wrong:
        raise UsageError(
            f"{path} would be wrong: {'; '.join(wrong)}; nothing was changed", page="factory-files"
        )
    with system.replacing(path, "w") as stream:
        stream.write(after)
    return after


def extra_options(system: str, memory: int) -> str | None:
    """Return what workers are told beside the file's own keys.

    Where the batch system is told of memory by an option, and not by the file, so is the worker. Workers of
    a local factory outlive it, unless they are told not to.
    """
    if system == "local":
        return "--parent-death"
    return f"--memory={memory // MB}" if SYSTEMS[system].memory(memory // MB) else None


def escaped(name: str) -> str:
    """Return the regular expression that matches just this name, as POSIX has them."""
    return re.sub(r"([.*+?()\[\]{}|^$\\])", r"\\\1", name)
