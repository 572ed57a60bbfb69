"""Tables of lines: as wide as a terminal is, with names cut in the middle; in a file as wide as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from wq_runner.monitor import words

_ANY = 100_000  # columns
_LEAST = 12  # of a name


def show(
    console: Console, head: Sequence[str], rows: Mapping[str, Sequence[str]], *, texts: Sequence[str] = ()
) -> None:
    """Print rows by their names; columns are numbers, but for those of `texts`."""
    options = console.options.update(max_width=_ANY)
    whole = _table(head, rows, texts)
    width = Measurement.get(console, options, whole).maximum
    if not console.is_terminal:
        lines = console.render_lines(whole, options.update(width=width), pad=False)
        text = "\n".join("".join(one.text for one in line).rstrip() for line in lines)
        console.print(Text(text), soft_wrap=True)
        return
    if width > console.width:
        longest = max(map(len, (head[0], *rows)))
        names = words.shortened(rows, max(_LEAST, longest - (width - console.width)))
        whole = _table(head, {names[name]: cells for name, cells in rows.items()}, texts)
    console.print(whole)


def _table(head: Sequence[str], rows: Mapping[str, Sequence[str]], texts: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for place, name in enumerate(head):
        table.add_column(name, justify="left" if not place or name in texts else "right")
    for name, cells in rows.items():
        table.add_row(Text(name), *map(Text, cells))
    return table
