"""`wq-run explain`: the section of docs/errors.md for an error, without a network."""

from __future__ import annotations

import shutil

import click

from wq_runner.cli import base
from wq_runner.cli.pages import sections
from wq_runner.config import completion
from wq_runner.errors import UsageError, did_you_mean


@click.command(
    cls=base.Command,
    name="wq-run explain",
    codes=(0, 2),
    examples="""
    wq-run explain                                   which pages there are
    wq-run explain no-workers                        one of them
    """,
)
@click.argument("page", required=False, shell_complete=completion.words(*sections()))
def cli(page: str | None) -> None:
    """Show the page about an error, which the last line of its message names."""
    from rich.console import Console
    from rich.markdown import Markdown

    known = sections()
    if page is None:
        formatter = click.HelpFormatter(width=min(shutil.get_terminal_size().columns, 110))
        formatter.write_dl([(name, _first_sentence(text)) for name, text in known.items()])
        click.echo(formatter.getvalue(), nl=False)
        return
    if page not in known:
        raise UsageError(f"no page {page}.{did_you_mean(page, known)}", hint="wq-run explain lists all")
    console = Console()
    if console.is_terminal:
        console.print(Markdown(known[page]), width=min(console.width, 110))
    else:
        click.echo(known[page], nl=False)


def _first_sentence(section: str) -> str:
    paragraph = section.split("\n\n")[1].replace("\n", " ").replace("`", "")
    return paragraph.partition(". ")[0].rstrip(".")
