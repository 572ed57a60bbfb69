"""HTML by pure functions: whatever is not `Html` is text, and is escaped."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
from collections.abc import Iterable, Sequence
from importlib import resources

_VOID = frozenset({"meta", "br", "col", "input"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


NOTHING = Html("")

Child = str | int | Iterable["Child"] | None
Attribute = str | int | float | bool | None


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """Return an element. Attributes: `class_` is ``class``, `aria_label` ``aria-label``; None is left out."""
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        shown = key.rstrip("_").replace("_", "-")
        parts.append(f" {shown}" if value is True else f' {shown}="{html.escape(_visible(str(value)))}"')
    parts.append(">")
    if name not in _VOID:
        parts += [escape(child) for child in children]
        parts.append(f"</{name}>")
    return Html("".join(parts))


def escape(child: Child) -> str:
    """Return markup as it is and anything else as text."""
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return html.escape(_visible(child))
    if child is None:
        return ""
    if isinstance(child, int):
        return str(child)
    return "".join(escape(one) for one in child)


def _visible(text: str) -> str:
    """Replace control characters: they are nothing that HTML can hold."""
    return "".join(char if char >= " " or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def number(metric: str, value: float, shown: str | None = None) -> Html:
    """Return a number that programs can read as well: exact in the markup, rounded for people."""
    return tag("data", shown if shown is not None else f"{value:,}", value=value, data_metric=metric)


def section(name: str, title: str, *children: Child) -> Html:
    return tag(
        "section", tag("h2", title, id=f"{name}-title"), *children, id=name, aria_labelledby=f"{name}-title"
    )


def table(
    name: str, caption: str, head: Sequence[str], rows: Iterable[Sequence[Child]], *, texts: int = 1
) -> Html:
    """Return a table that scrolls by itself, also by keyboard; the first `texts` columns are text."""

    def cells(row: Sequence[Child]) -> list[Html]:
        first, *rest = row
        return [
            tag("th", first, scope="row"),
            *(tag("td", cell, class_=None if place < texts else "n") for place, cell in enumerate(rest, 1)),
        ]

    heads = [
        tag("th", text, scope="col", class_=None if place < texts else "n") for place, text in enumerate(head)
    ]
    body = tag("tbody", [tag("tr", cells(row)) for row in rows])
    inner = tag("table", tag("caption", caption), tag("thead", tag("tr", heads)), body)
    return tag("div", inner, class_="scroll", tabindex=0, role="region", aria_label=caption, id=name)


def facts(rows: Iterable[tuple[str, Child]]) -> Html:
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in rows], class_="facts")


def document(title: str, *body: Child, state: str = "", refresh: float | None = None) -> str:
    """Return a whole page, which needs nothing from elsewhere and allows nothing from elsewhere."""
    style, script = static("style.css"), static("page.js")
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
        f"base-uri 'none'; form-action 'none'; script-src 'sha256-{allowed}'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        Html('<link rel="icon" href="data:,">'),  # or browsers ask the server for one
        tag("noscript", tag("meta", http_equiv="refresh", content=max(5, round(refresh))))
        if refresh
        else None,
        tag("style", Html(style)),
    )
    page = tag(
        "html",
        head,
        tag(
            "body",
            tag("a", "skip to the content", href="#main", class_="skip"),
            *body,
            tag("p", id="connection", role="status", aria_live="polite"),
            tag("script", Html(script)),
        ),
        lang="en",
        data_refresh=refresh,
        data_state=state,
    )
    return f"<!DOCTYPE html>\n{page}\n"


@functools.cache
def static(name: str) -> str:
    """Return one of the files beside this module."""
    return resources.files("wq_runner.monitor").joinpath("static").joinpath(name).read_text(encoding="utf-8")
