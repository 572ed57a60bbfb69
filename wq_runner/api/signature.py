"""What `wq_runner.run` takes by keyword, for `help` and for shells that complete names while they run."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import Field, fields
from typing import Any

from wq_runner.api.keywords import Keywords
from wq_runner.config.options import RunOptions

_WIDTH = 100
_MARKUP = re.compile(
    r"[\w:/.*-]*[@*](?:[\w:/.*-]*[\w*])?"
)  # what a page would take for emphasis, or for mail


def told(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function that takes the keywords their names, types and meaning, for `help` and completion."""
    known = {one.name: one for one in fields(RunOptions)}
    own = inspect.signature(function)
    kept = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    keywords = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=known[name].default,
            annotation=getattr(kind, "__forward_arg__", kind),
        )
        for name, kind in Keywords.__annotations__.items()
    ]
    function.__signature__ = own.replace(parameters=[*kept, *keywords])  # type: ignore[attr-defined]
    first, heading, rest = inspect.cleandoc(function.__doc__ or "").partition("\nRaises\n")
    others = [
        "Other Parameters",
        "----------------",
        *(_entry(known[name]) for name in Keywords.__annotations__),
    ]
    function.__doc__ = "\n".join([first, *others, "", heading.lstrip("\n") + rest])
    return function


def _entry(option: Field[Any]) -> str:
    said = _MARKUP.sub(r"``\g<0>``", option.metadata["click"]["help"])
    text = textwrap.fill(said, _WIDTH, initial_indent="    ", subsequent_indent="    ")
    return f"{option.name}\n{text}"
