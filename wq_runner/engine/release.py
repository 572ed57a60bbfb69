"""Which release of the engine there is, by the module that was imported, and what is to be known of it."""

from __future__ import annotations

from types import ModuleType

DEBIANS = "9.9"
"""What Debian calls its snapshot of 2021, which is older than 7.10; its module, ours, does not say so."""


def release_of(module: ModuleType) -> str:
    """Return the release that a module of the engine is of."""
    return str(getattr(module, "__version__", DEBIANS))


NO_FOREMEN = ("7.17.",)
"""Of those that were tried, releases of which no task that goes through a foreman ever runs."""


def carries_foremen(release: str) -> bool:
    """Whether results come through foremen, as far as it was tried."""
    return not release.startswith(NO_FOREMEN)


def is_prompt(release: str) -> bool:
    """Whether `wait` returns at once where there is no task; others wait until the second is over."""
    return release == DEBIANS
