"""What all commands share: options in groups, and errors as one clear message with an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from wq_runner.cli.leave import leave
from wq_runner.cli.manual import Manual, ManualGroup
from wq_runner.errors import (
    EngineError,
    InterruptedRunError,
    OptionError,
    UsageError,
    WqRunnerError,
    did_you_mean,
)
from wq_runner.plain import echo
from wq_runner.system import open_standard_streams, refused

# since click 8.2
_ONLY_HELP = (click.exceptions.NoArgsIsHelpError,) if hasattr(click.exceptions, "NoArgsIsHelpError") else ()


class Option(click.Option):
    """An option that is listed under the heading `group` in the help."""

    def __init__(self, *args: Any, group: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


class Command(Manual):
    """A command."""


class Group(ManualGroup):
    """A command with subcommands, which are `Command`s."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            known = self.list_commands(ctx)
            raise UsageError(
                f"no command {name}.{did_you_mean(name, known)}",
                hint=f"{ctx.command_path} knows: {', '.join(known)}",
            )
        return super().resolve_command(ctx, args)


def main(command: click.Command, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and end the process: 0, or the exit code of the error that was raised.

    `arguments` are those of a command that is a part of another, which has its full name then.
    """
    name = command.name if arguments is not None else None
    open_standard_streams()
    try:
        code = command.main(arguments, prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # the reader of our output went away (`| head`): not an error of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except WqRunnerError as error:
        code = report(error)
    except _ONLY_HELP as error:
        click.echo(error.format_message(), err=True)
        code = error.exit_code
    except click.ClickException as error:
        code = report(_translated(error))
    except OSError as error:
        code = report(refused(error, "what is printed", page="surroundings"))
    except MemoryError:
        code = report(EngineError("there is not enough memory on this machine", page="surroundings"))
    except (click.Abort, KeyboardInterrupt):
        code = report(InterruptedRunError("interrupted"))
    leave(code if isinstance(code, int) else 0)


def report(error: WqRunnerError) -> int:
    """Print an error to standard error and return its exit code."""
    echo(error, label="error:", err=True)
    click.echo(click.style(f"more: wq-run explain {error.page}", dim=True), err=True)
    return error.exit_code


def _translated(error: click.ClickException) -> WqRunnerError:
    if isinstance(error, click.NoSuchOption):
        known = [name for param in _params(error.ctx) for name in param.opts]
        name, path = error.option_name, error.ctx.command_path if error.ctx else ""
        if path.startswith("wq-run"):
            from wq_runner.config import habits

            if answer := habits.answer(name, sys.argv[1:]):
                return UsageError(f"no option {name}: {answer}", hint=f"see {path} --help")
        return UsageError(f"no option {name}.{did_you_mean(name, known)}", hint=f"see {path} --help")
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"see {error.ctx.command_path} --help"
    if isinstance(error, click.BadParameter) and isinstance(error.param, click.Option):
        return OptionError(f"{max(error.param.opts, key=len)}: {error.message}", hint=hint)
    return UsageError(error.format_message(), hint=hint)


def _params(ctx: click.Context | None) -> list[click.Parameter]:
    return ctx.command.get_params(ctx) if ctx is not None else []
