"""The keywords of `wq_runner.run` as a module, made of the options: editors and type checkers read no other.

`python docs/_ext/keywords.py` writes it, which `make docs` calls.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import click

import wq_runner
from wq_runner import model
from wq_runner.config.options import RunOptions
from wq_runner.config.types import PerDatasetValue

PLACE = Path(wq_runner.__file__).parent / "api" / "keywords.py"
OWN = ("processor", "schema")
"""Those that `run` declares itself, as it takes objects for them."""

TEXT = '''"""What `wq_runner.run` takes by keyword, for type checkers and editors.

Made by `make docs` of the options in config/options.py: a change here would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from wq_runner.model import {models}


class Keywords(TypedDict, total=False):
    """The options of `wq-run`, as values of Python. Sizes, times and counts may be text: ``"2GB"``."""

{lines}
'''


def text() -> str:
    """Return the module."""
    lines = [f"{one.name}: {kind(one)}" for one in dataclasses.fields(RunOptions) if one.name not in OWN]
    words = set(re.findall(r"\w+", " ".join(line.partition(":")[2] for line in lines)))
    models = sorted(word for word in words - set(re.findall(r"\w+", TEXT)) if hasattr(model, word))
    indented = "\n".join(f"    {line}" for line in lines)
    return TEXT.format(models=", ".join(models), lines=indented)


def kind(option: dataclasses.Field[object]) -> str:
    """Return the type of what a call may give for an option."""
    settings, own = option.metadata["click"], str(option.type)
    if settings.get("is_flag"):
        return "bool"
    plain, optional = own.removesuffix(" | None"), own.endswith(" | None")
    found = option.metadata["python"] or _of_type(settings.get("type"), plain)
    if isinstance(settings.get("type"), PerDatasetValue):
        found += f" | Mapping[str, {found}{' | None' * optional}]"
    if settings.get("multiple"):
        found += f" | Sequence[{found}]"
    return found + " | None" * optional


def _of_type(read: click.ParamType | None, plain: str) -> str:
    if isinstance(read, click.Path):
        return "str | Path"
    if hasattr(read, "python"):
        return str(read.python)
    return plain if "tuple[" not in plain else "str"


if __name__ == "__main__":
    PLACE.write_text(text(), encoding="utf-8")
