"""The commands, their options and exit codes as Markdown: what click and the options themselves know."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import click

from wq_runner import cli, errors
from wq_runner.cli.layered import LayeredCommand
from wq_runner.config import pocketcoffea
from wq_runner.config.layers import ENV_PREFIX
from wq_runner.config.types import PerDatasetValue
from wq_runner.scheduler import policy

PYTHON = (
    ("Runs", "wq_runner", "autofunction", "run(samples, processor=None, *, schema=None, **options)", ()),
    ("", "wq_runner", "autoclass", "Result", ()),
    ("", "wq_runner", "autofunction", "close", ()),
    ("coffea's Runner", "wq_runner", "autoclass", "WorkQueueExecutor", ()),
    ("Executors of one's own", "wq_runner", "autoclass", "ExecutorFactory", ("members",)),
    ("Sites", "wq_runner.workers.sites", "autoclass", "Site", ("members",)),
    ("", "wq_runner.workers.provided", "autoclass", "Provider", ("members",)),
    ("Engines", "wq_runner.engine.protocol", "autoclass", "Engine", ("members",)),
    ("", "wq_runner.engine.protocol", "autoclass", "EngineStatus", ()),
)


def layered() -> str:
    """Return the reference of `wq-run`."""
    [found] = [one for one in every() if one.name == "wq-run"]
    return _command(found, "wq-run", title="The command", level=2)


def others() -> str:
    """Return the reference of all other commands."""
    return "\n".join(_command(one, str(one.name), level=2) for one in every() if one.name != "wq-run")


def pocketcoffea_keys() -> str:
    """Return the keys of PocketCoffea's run options: what they are here, or what is answered."""
    same = [f"| `{_key(old)}` | `{_key(new)}` |" for old, new in sorted(pocketcoffea.ALIASES.items())]
    answered = [f"| `{_key(old)}` | {plain(text)} |" for old, text in sorted(pocketcoffea.ANSWERS.items())]
    return "\n".join(
        ["| key | the same as |", "|---|---|", *same, "", "| key | answered with |", "|---|---|", *answered]
    )


def python() -> str:
    """Return the directives that document what may be used from Python."""
    parts = []
    for title, module, kind, name, options in PYTHON:
        lines = [f".. {kind}:: {module}.{name}", *(f"   :{one}:" for one in options)]
        parts += [f"## {title}" if title else "", _fence("{eval-rst}", "\n".join(lines), code=False)]
    return "\n\n".join(part for part in parts if part)


def exit_codes() -> str:
    """Return the table of exit codes, from the tree of errors."""
    drawn = re.findall(r"(\w+Error)\s+(\d+) *(.*)", errors.__doc__ or "")
    rows = [
        f"| {code} | `{name}` | {plain(text) or 'a bug, or a failure that has no code of its own'} |"
        for name, code, text in drawn
    ]
    return "\n".join(["| exit code | error | |", "|---|---|---|", "| 0 | | complete |", *rows])


def budgets() -> str:
    """Return how often each cause of failure is tried before something else is done."""
    rows = [f"| {cause.value} | {again + 1} |" for cause, again in policy.DEFAULT_BUDGETS.items()]
    return "\n".join(["| cause | attempts |", "|---|---|", *rows])


def every() -> list[click.Command]:
    """Return all commands, which are one file each."""
    modules = [
        importlib.import_module(f"{cli.__name__}.{one.name}") for one in pkgutil.iter_modules(cli.__path__)
    ]
    found = [module.cli for module in modules if isinstance(getattr(module, "cli", None), click.Command)]
    return sorted(found, key=lambda one: str(one.name))


def _command(command: click.Command, name: str, *, level: int, title: str = "") -> str:
    context = click.Context(command, info_name=name)
    parts = [
        f"{'#' * level} {title or name}",
        _prose(command.help or ""),
        _fence("text", "\n\n".join(filter(None, [_usage(command, context), _examples(command)]))),
    ]
    parts += _options(command, context, name, level)
    if isinstance(command, click.Group):
        for one in command.list_commands(context):
            inner = command.get_command(context, one)
            assert inner is not None
            parts.append(_command(inner, f"{name} {one}", level=level + 1))
    return "\n\n".join(part for part in parts if part) + "\n"


def _usage(command: click.Command, context: click.Context) -> str:
    return command.get_usage(context).removeprefix("Usage: ")


def _examples(command: click.Command) -> str:
    return inspect.cleandoc(getattr(command, "examples", ""))


def _options(command: click.Command, context: click.Context, name: str, level: int) -> Iterator[str]:
    groups: dict[str, list[click.Option]] = {}
    usual = getattr(command, "usual", ())
    for param in command.params:
        if isinstance(param, click.Option) and not param.hidden:
            groups.setdefault(getattr(param, "group", "Options"), []).append(param)
    yield _fence("{program}", name, code=False)
    for group, params in groups.items():
        if len(groups) > 1:
            yield f"{'#' * (level + 1)} {group}"
        for param in sorted(params, key=lambda param: param.name not in usual):
            yield _option(param, context, elsewhere=isinstance(command, LayeredCommand))


def _option(param: click.Option, context: click.Context, *, elsewhere: bool) -> str:
    metavar = "" if param.is_flag else f" {param.make_metavar(context)}"
    signature = ", ".join(f"{one}{metavar}" for one in sorted(param.opts, key=len, reverse=True))
    facts = []
    extra = param.get_help_extra(context)
    if "default" in extra:
        facts.append(f"default `{extra['default']}`")
    if elsewhere and param.allow_from_autoenv and param.name:
        facts.append(f"in files `{_key(param.name)}`, variable `{ENV_PREFIX}_{param.name.upper()}`")
    if isinstance(param.type, PerDatasetValue):
        facts.append("may have a value for each dataset")
    text = plain(param.help or "")
    return _fence(f"{{option}} {signature}", "\n\n".join(filter(None, [text, "; ".join(facts)])), code=False)


def _fence(info: str, text: str, *, code: bool = True) -> str:
    if not code and info == "{program}":
        return f"```{{program}} {text}\n```"
    return f"```{info}\n{text}\n```"


def _key(name: str) -> str:
    return name.replace("_", "-")


def _prose(text: str) -> str:
    """Return a help text: paragraphs as they are."""
    return "\n\n".join(plain(" ".join(part.split())) for part in inspect.cleandoc(text).split("\n\n"))


def plain(text: str) -> str:
    """Return text in which nothing means anything to Markdown but code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") and len(part) > 1 else re.sub(r"([\\*_\[\]<>|`$])", r"\\\1", part)
        for part in parts
    )
