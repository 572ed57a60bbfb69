"""The warnings of a task: once by text, with how often they came."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

KINDS = 20  # texts of one task
TEXT = 500  # characters
_NUMBERS = re.compile(r"\d+")


class Warned:
    """Is told of warnings, and keeps those of the item at hand that are signals to us."""

    def __init__(self) -> None:
        self.signals: list[Any] = []
        self.others = 0
        self._kinds: dict[tuple[str, str], dict[str, Any]] = {}

    def begin(self) -> None:
        """Forget the signals of the item before."""
        self.signals = []

    def show(
        self, message: Any, category: type[Warning], filename: str, line: int, *_: Any, **__: Any
    ) -> None:
        """Take a warning: what `warnings.showwarning` is called with."""
        text = str(message)
        # by name: who warns has it from wq_runner, which this code travels without
        if category.__name__ == "ElsewhereWarning" or "Skipping bad file" in text:
            self.signals.append(message)
            return
        text = " ".join(text.split())
        short = text if len(text) <= TEXT else f"{text[: TEXT - 1]}…"
        key = (category.__name__, _NUMBERS.sub("#", short))
        if key in self._kinds:
            self._kinds[key]["count"] += 1
        elif len(self._kinds) < KINDS:
            place = f"{Path(filename).name}:{line}"
            self._kinds[key] = {"kind": category.__name__, "text": short, "place": place, "count": 1}
        else:
            self.others += 1

    def as_json(self) -> list[dict[str, Any]]:
        more = {"kind": "", "text": "warnings of more kinds", "place": "", "count": self.others}
        return [*self._kinds.values(), *([more] if self.others else [])]
