"""A console that shows foreign text as text."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from wq_runner.plain import plain


class PlainConsole(Console):
    """A console on which only its own styles and moves mean anything."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as any console does; what is in the text is no more than text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control is not None else Segment(plain(segment.text), segment.style)
