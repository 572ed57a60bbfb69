"""The site of the documents: it is made without a warning, and what it links to is there."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
import nanoaod
import pytest
from playwright.sync_api import Browser

LOADS = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """The anchors of a page, where it leads, and what a browser loads to show it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value is not None}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in LOADS and LOADS[tag] in found and found.get("rel") not in {"canonical", "search"}:
            self.loaded.append(found[LOADS[tag]])


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the site as `make docs` does, in a process of its own and from nothing."""
    place = tmp_path_factory.mktemp("site")
    words = ("-W", "--keep-going", "--nitpicky", "--quiet", "-d", place / "remembered")
    ended = subprocess.run(
        [sys.executable, "-m", "sphinx", *map(str, words), nanoaod.ROOT / "docs", place / "html"],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert ended.returncode == 0, ended.stderr
    return place / "html"


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("page", ["install", "guide", "tutorial", "migration/topcoffea", "reference/wq-run"])
def test_no_code_is_cut(browser: Browser, site: Path, page: str, width: int) -> None:
    shown = browser.new_page(viewport={"width": width, "height": 900})
    shown.goto((site / f"{page}.html").as_uri())
    cut = "[...document.querySelectorAll('pre')].filter(one => one.scrollWidth > one.clientWidth + 1).length"
    assert shown.evaluate("document.querySelectorAll('pre').length") > 0
    assert shown.evaluate(cut) == 0
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls to the side"
    shown.close()


def test_every_document_has_a_page(site: Path) -> None:
    docs = nanoaod.ROOT / "docs"
    for path in docs.rglob("*.md"):
        assert (site / path.relative_to(docs)).with_suffix(".html").exists(), path


def test_links_and_anchors_are_there(site: Path, pages: dict[Path, Page]) -> None:
    wrong = [
        f"{path.relative_to(site)}: {link}"
        for path, page in pages.items()
        for link in page.links
        if not leads_somewhere(link, path, pages)
    ]
    assert not wrong, "\n".join(wrong)


def leads_somewhere(link: str, path: Path, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:  # of another site: nobody is asked
        return parts.scheme == "https" and "." in parts.netloc
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target not in pages:
        return target.is_file()
    return not parts.fragment or unquote(parts.fragment) in pages[target].anchors


def test_links_that_lead_nowhere_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text('<p id="here"><a href="#here">a</a><a href="#there">b</a><a href="other.html">c</a>')
    page = Page(path)
    assert [leads_somewhere(link, path, {path: page}) for link in page.links] == [True, False, False]


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, Page]) -> None:
    assert not [url for page in pages.values() for url in page.loaded if urlsplit(url).netloc]


def test_every_option_of_every_command_is_in_the_reference(pages: dict[Path, Page]) -> None:
    anchors = {one for path, page in pages.items() if path.parent.name == "reference" for one in page.anchors}
    files = sorted(path.stem for path in (nanoaod.ROOT / "wq_runner" / "cli").glob("*.py"))
    found = [getattr(importlib.import_module(f"wq_runner.cli.{name}"), "cli", None) for name in files]
    commands = [one for one in found if isinstance(one, click.Command)]
    assert len(commands) >= 7
    assert all(str(one.name).startswith("wq-") for one in commands)
    for cli in commands:
        for command, words in every_command(cli, str(cli.name)):
            for param in command.params:
                for option in param.opts if isinstance(param, click.Option) and not param.hidden else ():
                    anchor = f"cmdoption-{words.replace(' ', '-')}-{option.lstrip('-')}"
                    assert anchor in anchors, f"{words} {option}"


def every_command(command: click.Command, words: str) -> Iterator[tuple[click.Command, str]]:
    yield command, words
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from every_command(inner, f"{words} {name}")
