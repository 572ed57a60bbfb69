"""A command of `wq-run` as it was typed, taken apart: which words are an option's, and which are samples."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wq_runner.config.options import RunOptions

SAMPLE, END = "", "--"

OTHERS: Mapping[str, tuple[str, bool]] = {
    "-ro": ("run_options", False),
    "--run-options": ("run_options", False),
    "--custom-run-options": ("run_options", False),
    "--write-options": ("write_options", False),
    "--dry-run": ("dry_run", True),
    "--detach": ("detach", True),
    "--stop": ("stop", False),
    "--show-options": ("show_options", True),
    "--version": ("version", True),
    "--help": ("help", True),
    "--help-all": ("whole_help", True),
    "-h": ("help", True),
}
"""The options that are no fields of `RunOptions`: their names, and whether they stand alone."""

ONCE = ("detach",)
"""Those of them that a run may have had, and that commands made of its own do not repeat."""


def known() -> dict[str, tuple[str, bool]]:
    """Return each way to write an option, with the field that it sets, and whether it stands alone."""
    own = {
        name: (field.name, bool(field.metadata["click"].get("is_flag")))
        for field in dataclasses.fields(RunOptions)
        for name in field.metadata["names"]
    }
    return {**OTHERS, **own}


@dataclass(frozen=True, kw_only=True)
class Part:
    """Words that belong together. `option` is a field of the options; `SAMPLE`; or `END`, of the options."""

    option: str
    words: tuple[str, ...]

    @property
    def value(self) -> str:
        """What an option is set to."""
        first, *more = self.words
        name, equals, value = first.partition("=")
        return more[0] if more else value if equals and len(name) > 2 and name in known() else first[2:]


def parts(words: Sequence[str]) -> Iterator[Part]:
    """Take a command apart, without its first word, as click does."""
    rest, options = deque(words), known()
    while rest:
        word = rest.popleft()
        name, equals, _ = word.partition("=")
        if word == END:
            yield Part(option=END, words=(word,))
            yield from (Part(option=SAMPLE, words=(one,)) for one in rest)
            return
        if word == "-" or not word.startswith("-"):
            yield Part(option=SAMPLE, words=(word,))
        elif name in options and len(name) > 2:
            option, alone = options[name]
            alone |= bool(equals) or (option == "http" and not (rest and rest[0].isdigit()))
            yield Part(option=option, words=(word,) if alone or not rest else (word, rest.popleft()))
        else:
            yield from _short(word, rest, options)


def _short(word: str, rest: deque[str], options: Mapping[str, tuple[str, bool]]) -> Iterator[Part]:
    """Take apart ``-tp FILE`` or ``-wlocal:2``: letters of options, the last of which may have a value."""
    for place, letter in enumerate(word[1:], start=1):
        name = f"-{letter}"
        option, alone = options.get(name, (name, True))
        if alone:
            yield Part(option=option, words=(name,))
            continue
        value = word[place + 1 :]
        if value or not rest:
            yield Part(option=option, words=(f"{name}{value}",))
        else:
            yield Part(option=option, words=(name, rest.popleft()))
        return
