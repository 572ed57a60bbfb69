"""What a shell may offer as the value of an option: words, sites, datasets of the samples, files.

Nothing here may be slow, say anything, or fail: who presses the tab key waits for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

from wq_runner.config import executors
from wq_runner.errors import WqRunnerError
from wq_runner.workers.batch import SYSTEMS

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def words(*known: str, files: bool = False) -> Complete:
    """Offer some words, and files where none of them is begun."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
        return [*(_files(incomplete) if files else []), *begun(known, incomplete)]

    return complete


def begun(known: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Offer those that begin so."""
    return [CompletionItem(one) for one in known if one.startswith(incomplete)]


def samples(*parts: str) -> Complete:
    """Offer files, or as the first word the parts of a command, once they are begun."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        first = incomplete and not ctx.params.get(str(param.name))
        return [*_files(incomplete), *(begun(parts, incomplete) if first else [])]

    return complete


def executor(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Offer executors, and after ``dask@`` and ``work_queue@`` the sites."""
    name, at, _ = incomplete.partition("@")
    if at and name in {"dask", "work_queue"}:
        return begun((f"{name}@{site}" for site in _sites()), incomplete)
    return begun(executors.EXECUTORS, incomplete)


def workers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Offer this machine, batch systems and sites, and after ``condor@`` its sites."""
    system, at, _ = incomplete.partition("@")
    sites = _sites()
    if at:
        return begun((f"{system}@{name}" for name, its in sites.items() if its == system), incomplete)
    return begun(("local", *SYSTEMS, *sites), incomplete)


def site(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Offer sites."""
    return begun(_sites(), incomplete)


def dataset(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Offer the datasets of samples that stand on the line already and are quickly read."""
    from wq_runner.samples import dialects, load

    given = [
        *(ctx.params.get("samples") or ()),
        *ctx.args,
    ]  # of a line that is not whole, click leaves the rest
    with contextlib.suppress(WqRunnerError, OSError, ValueError):
        documents = dialects.known().described
        fileset = load([name for name in given if str(name).endswith(documents)])
        return begun((one.name for one in fileset), incomplete)
    return []


def _files(incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="file")]


def _sites() -> dict[str, str]:
    """Return the system of each site that is known."""
    from wq_runner.workers import sites

    with contextlib.suppress(WqRunnerError):  # a file of sites that is wrong is said elsewhere
        return {name: one.system for name, one in sorted(sites.known().items())}
    return {}
