"""The blocks of code in the documents, and what is done with each.

A block of commands (sh, console) or of Python is run, in the order of its page, unless a comment above it
says otherwise, which nobody sees who reads the page:

    <!-- parsed: WHY -->         its commands are parsed, as what they need is not there, such as a site
    <!-- tested by: FILE -->     a test runs it
    <!-- file: NAME -->          it is written as a file, for the blocks that follow
    <!-- after: COMMAND -->      this runs before it: what the reader has done already

Blocks of no language are parsed. Pages that have a test of their own are in `OF_THEIR_OWN`.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nanoaod

ROOT = nanoaod.ROOT
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

COMMANDS = ("sh", "bash", "shell", "console")
PROGRAMS = ("wq-run", "wq-samples", "wq-env", "wq-workers", "wq-status", "wq-report")

OF_THEIR_OWN = {
    "CONTRIBUTING.md": "tests/process/test_contributing.py",
    "docs/tutorial.md": "tests/batch/test_tutorial.py",
}
"""Pages all of whose blocks are tested there."""

RUN, PARSED, TESTED, FILE, SHOWN = "run", "parsed", "tested by", "file", "shown"

_FENCE = re.compile(
    r"^ *(?P<fence>```+)(?P<language>[^\n]*)\n(?P<text>.*?)^ *(?P=fence)$", re.DOTALL | re.MULTILINE
)
_COMMENTS = re.compile(r"(?:<!-- [^\n]* -->\s*)*\Z")
_COMMENT = re.compile(r"<!-- (parsed|tested by|file|after): ([^\n]*?) -->")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of a page; `said` is why it is parsed, the test, or the name of the file."""

    page: Path
    line: int
    language: str
    text: str
    done: str
    said: str = ""
    after: str = ""

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> Iterator[str]:
        """The lines that are commands; in a console those behind a prompt, in a plain text those of ours."""
        for line in self.text.replace("\\\n", " ").splitlines():
            if self.language == "console":
                found = line.removeprefix("$ ") if line.startswith("$ ") else ""
            elif self.language in COMMANDS:
                found = line
            else:  # what follows a wide gap is said of the command
                text = re.split(r"\s{3,}", line.strip())[0]
                found = text if _words(text)[:1] and _words(text)[0] in PROGRAMS else ""
            if found.strip() and not found.startswith("#"):
                yield found


def _words(text: str) -> list[str]:
    """Split a line, without the comment at its end and the variables before it."""
    words = text.split()
    while words and re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    return words


def words(command: str) -> list[str]:
    """Return the words of a command as a shell would, for commands of one program."""
    found = shlex.split(command, comments=True)
    while found and re.match(r"[A-Z_]+=", found[0]):
        found.pop(0)
    return found


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    whole = OF_THEIR_OWN.get(str(page.relative_to(ROOT)))
    for match in _FENCE.finditer(text):
        before = _COMMENTS.search(text, 0, match.start())
        said = dict(_COMMENT.findall(before[0])) if before else {}
        language = match["language"].strip()
        done = next((one for one in (PARSED, TESTED, FILE) if one in said), "")
        if whole:
            done, said = TESTED, {TESTED: whole}
        elif not done:
            done = RUN if language in COMMANDS or language == "python" else SHOWN
        yield Block(
            page=page,
            line=text.count("\n", 0, match.start()) + 1,
            language=language,
            text=textwrap.dedent(match["text"]),  # of a list it is indented
            done=done,
            said=said.get(done, ""),
            after=said.get("after", ""),
        )


def snippet(page: Path, part: str) -> str:
    """Return the block of a page that has a part."""
    (found,) = (one.text for one in blocks(page) if part in one.text)
    return found


EVERY = [block for page in PAGES for block in blocks(page)]
