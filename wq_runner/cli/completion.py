"""`wq-run completion`: what makes a shell complete the options and values of all commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from wq_runner.cli import base
from wq_runner.config.types import Choice

COMMANDS = ("wq-run", "wq-samples", "wq-env", "wq-workers", "wq-status", "wq-report")


@click.command(
    cls=base.Command,
    name="wq-run completion",
    codes=(0, 2),
    examples="""
    wq-run completion bash > ~/.wq-runner.bash       and in ~/.bashrc: source ~/.wq-runner.bash
    wq-run completion zsh > ~/.wq-runner.zsh         and in ~/.zshrc: source ~/.wq-runner.zsh
    wq-run completion fish > ~/.config/fish/conf.d/wq-runner.fish
    """,
)
@click.argument("shell", type=Choice(("bash", "zsh", "fish")), metavar="bash|zsh|fish")
def cli(shell: str) -> None:
    """Print the script with which a shell completes these commands at the tab key."""
    found = get_completion_class(shell)
    assert found is not None  # click knows these three
    for name in COMMANDS:
        variable = f"_{name.replace('-', '_')}_complete".upper()
        script = found(click.Command(name), {}, name, variable)
        # source() would also ask the bash on PATH for its version, which need not be the one that reads this
        click.echo(script.source_template % script.source_vars())
