"""Fill in what is made of the program itself, where a page says `<!-- generated: NAME -->`.

A comment is what every viewer of Markdown passes over, so the pages read well without this too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import commands
import formats
import pages

_OUT = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+[^)#:]+)(?:#[^)]*)?\)")
_MARK = re.compile(r"^<!-- generated: (\S+) -->$", re.MULTILINE)

MAKERS: Mapping[str, Callable[[Path], str]] = {
    "pages": pages.contents,
    "wq-run": lambda _: commands.layered(),
    "commands": lambda _: commands.others(),
    "pocketcoffea": lambda _: commands.pocketcoffea_keys(),
    "exit-codes": lambda _: commands.exit_codes(),
    "python": lambda _: commands.python(),
    "budgets": lambda _: commands.budgets(),
    "factory": lambda docs: formats.properties(docs / "schemas" / "factory.schema.json"),
    "run": lambda docs: formats.properties(docs / "schemas" / "run.schema.json"),
    "status": lambda docs: formats.properties(docs / "schemas" / "status.schema.json"),
    "sample": lambda docs: formats.properties(docs / "schemas" / "sample.schema.json"),
    "journal": lambda docs: formats.events(docs / "schemas" / "journal.schema.json"),
}


def fill(text: str, docs: Path) -> str:
    """Return the text with what belongs in place of its marks."""
    return _MARK.sub(lambda mark: MAKERS[mark[1]](docs), text)


def within(text: str, page: Path, docs: Path) -> str:
    """Return the text without links to folders, and to documents elsewhere: the site has neither."""

    def replaced(match: re.Match[str]) -> str:
        target = (page.parent / match[2]).resolve()
        document = target.suffix == ".md" and not target.is_relative_to(docs)
        return match[1] if document or target.is_dir() else match[0]

    return _OUT.sub(replaced, text)


def setup(app: Any) -> dict[str, Any]:
    def read(app: Any, name: str, source: list[str]) -> None:
        docs = Path(app.srcdir)
        source[0] = within(fill(source[0], docs), Path(app.env.doc2path(name)), docs)

    app.connect("source-read", read)
    # made of the code: what Sphinx remembers of the last build may be old
    app.connect("env-get-outdated", lambda _app, env, *_: _marked(env))
    return {"version": "1", "parallel_read_safe": True}


def _marked(env: Any) -> list[str]:
    return [name for name in env.found_docs if _MARK.search(Path(env.doc2path(name)).read_text())]
