"""What stands between foreign text and a terminal.

Names of datasets and files, what a processor prints, what an exception says: whoever wrote them could move
the cursor, set the title of the window, or write to the clipboard with them, on another one's terminal.
"""

from __future__ import annotations

import re

import click

# control characters of ASCII and of Latin 1 but for tab and newline, and those that turn the order of text:
# https://man7.org/linux/man-pages/man4/console_codes.4.html, https://trojansource.codes
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    r"""Return a text in which what a terminal would obey is written out, an escape as ``\x1b``."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def echo(text: object, *, label: str = "", color: str = "red", err: bool = False, nl: bool = True) -> None:
    """Print a line; only the label before it is coloured, on a terminal."""
    before = f"{click.style(label, fg=color, bold=True)} " if label else ""
    click.echo(before + plain(str(text)), err=err, nl=nl)
