"""The help of a command as a page of a manual: options by purpose, examples, exit codes, variables, files."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import click

EXIT_CODES: Mapping[int, str] = {
    0: "success",
    2: "the command line, a file or an option is wrong",
    3: "something is missing: the rest was written, and the message says what is missing",
    4: "the environment for the workers could not be built, or does not work",
    5: "the engine could not start, or no workers came in time",
    6: "your own code failed: the processor, or a plug-in",
    130: "interrupted: the same command continues",
}

CACHE = {
    "XDG_CACHE_HOME": "Replaces ~/.cache, where wq-runner/ keeps environments and what it knows about files."
}
CATALOG = {"CATALOG_HOST, CATALOG_PORT": "Catalog server to use if --catalog is not given."}
CONFIG = {"XDG_CONFIG_HOME": "Replaces ~/.config, where wq-runner/ keeps sites and the password."}

_WHOLE = "whole_help"
_SPACE = "\N{NO-BREAK SPACE}"
_HYPHEN = "\N{NON-BREAKING HYPHEN}"  # lines are not to be broken within --options and wq-run


class _Formatter(click.HelpFormatter):
    def write_text(self, text: str) -> None:
        super().write_text(text.replace("-", _HYPHEN))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(name, text.replace("-", _HYPHEN)) for name, text in rows], col_max, col_spacing)

    def getvalue(self) -> str:
        return super().getvalue().replace(_HYPHEN, "-")


def _whole_help() -> click.Option:
    def show(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            ctx.meta[_WHOLE] = True
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()

    return click.Option(
        ["--help-all", _WHOLE],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        allow_from_autoenv=False,
        callback=show,
        help="Show all options, by what they are about, and exit.",
    )


class _Context(click.Context):
    formatter_class = _Formatter


class Manual(click.Command):
    """A command whose help says all that a page of a manual does.

    Its exit codes are those of the group that it is in, unless it has others.
    """

    context_class = _Context

    def __init__(
        self,
        *args: Any,
        examples: str = "",
        codes: tuple[int, ...] = (),
        variables: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        usual: Collection[str] = (),
        **kwargs: Any,
    ) -> None:
        settings = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
        kwargs["context_settings"] = {**settings, **kwargs.get("context_settings", {})}
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.codes = codes
        self.variables = variables or {}
        self.files = files or {}
        self.usual = usual
        if usual:
            self.params.append(_whole_help())

    def _is_short(self, ctx: click.Context) -> bool:
        return bool(self.usual) and not ctx.meta.get(_WHOLE)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        common: dict[str, list[tuple[str, str]]] = {}  # they come first in their group
        name = "Options"
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None or (isinstance(param, click.Argument) and not record[1]):
                continue
            if self._is_short(ctx) and param.name not in (*self.usual, "help", _WHOLE):
                continue
            if self._is_short(ctx):
                groups.setdefault("Usual options", []).append((record[0], _first_sentence(record[1])))
                continue
            name = getattr(param, "group", name)  # --help comes last, and to what comes last
            kept = groups.setdefault(name, [])
            (common.setdefault(name, []) if param.name in self.usual else kept).append(record)
        for name, records in groups.items():
            _write(formatter, name, [*common.get(name, ()), *records])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                formatter.write(_examples(self.examples, formatter.width))
        if self._is_short(ctx):
            formatter.write_paragraph()
            formatter.write_text(
                f"{ctx.command_path} --help-all shows all {len(self.get_params(ctx)) - 1} options, "
                "exit codes, variables and files."
            )
            return
        codes = _codes(ctx)
        _write(formatter, "Exit codes", [(str(code), EXIT_CODES[code]) for code in codes])
        _write(formatter, "Environment variables", self.variables.items())
        _write(formatter, "Files", self.files.items())
        super().format_epilog(ctx, formatter)


class ManualGroup(Manual, click.Group):
    """A command with subcommands, of which it says what they do in a whole sentence."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        _write(
            formatter,
            "Commands",
            [(name, one.get_short_help_str(limit=200)) for name, one in commands if one],
        )


def _codes(ctx: click.Context) -> tuple[int, ...]:
    own: tuple[int, ...] = getattr(ctx.command, "codes", ())
    return own or (_codes(ctx.parent) if ctx.parent else ())


def _write(formatter: click.HelpFormatter, name: str, rows: Iterable[tuple[str, str]]) -> None:
    rows = list(rows)
    if rows:
        with formatter.section(name):
            formatter.write_dl(rows)


def _first_sentence(text: str) -> str:
    """Return the first sentence of a help text, without the default."""
    return re.split(r"(?<=[^.]\.) |  \[", text, maxsplit=1)[0]


def _examples(text: str, width: int) -> str:
    """Set commands and what they do in two columns, or one below the other where they are too wide."""
    pairs = [re.split(r"\s{3,}", line.strip(), maxsplit=1) for line in text.strip().splitlines()]
    column = max(len(pair[0]) for pair in pairs) + 5
    wide = any(len(pair) > 1 and column + len(pair[1]) > width for pair in pairs)
    lines = []
    for command, *about in pairs:
        if about and not wide:
            lines.append(f"  {command:<{column - 2}}{about[0]}")
        else:
            held = re.sub(r"( --?[\w-]+) (?!-)", rf"\1{_SPACE}", command)  # an option and its value
            parts = textwrap.wrap(held, width - 6, break_on_hyphens=False, subsequent_indent="    ")
            lines += ["  " + " \\\n  ".join(parts).replace(_SPACE, " "), *(f"      {one}" for one in about)]
    return "".join(f"{line}\n" for line in lines)
