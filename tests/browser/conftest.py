"""A real browser: Debian's chromium, or whichever of its family is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from browser.visiting import Visit
from playwright.sync_api import Browser, expect, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(f"no browser: looked for {', '.join(_NAMES)} on PATH")
        pytest.skip("no browser. Run: make test, which installs Debian's chromium")
    expect.set_options(timeout=60_000)  # machines may be busy
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=list(_OPTIONS), headless=True)
            yield browser
            browser.close()


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Open pages on a screen, by default a wide and light one; `request.param` may say (width, scheme)."""
    screen: tuple[int, Literal["light", "dark"]] = getattr(request, "param", (1280, "light"))
    width, scheme = screen
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield Visit(page)
    context.close()


@pytest.fixture
def screenshots() -> Path | None:
    """Where to leave pictures to be looked at, if somebody wants to: WQ_SCREENSHOTS names a directory."""
    place = os.environ.get("WQ_SCREENSHOTS")
    return Path(place) if place else None
