"""`wq-env`: the environments that were packed for workers."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.shell_completion import CompletionItem

from wq_runner.cli import base, manual
from wq_runner.config import completion, types
from wq_runner.errors import UsageError
from wq_runner.plain import echo

if TYPE_CHECKING:
    from wq_runner.environment.choice import Wish
    from wq_runner.environment.preparation import Preparation
    from wq_runner.environment.store import Store


def _keys(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    return completion.begun((entry.key for entry in _store().entries()), incomplete)


@click.group(
    cls=base.Group,
    name="wq-env",
    codes=(0, 2, 4),
    variables=manual.CACHE,
    files={"~/.cache/wq-runner/environments/": "The packed environments."},
)
def cli() -> None:
    """Build, list, compare and clean the environments that workers get.

    A KEY may be shortened, as long as it is clear which one is meant.
    """


def main() -> NoReturn:
    base.main(cli)


@cli.command(
    examples="""
    wq-env build                                     the active environment
    wq-env build environments/worker.yml             one made of a list of packages
    wq-env build -o env.tar.gz                       a file for --environment env.tar.gz
    """
)
@click.argument(
    "what",
    metavar="[FILE|DIRECTORY]",
    required=False,
    default=None,
    shell_complete=completion.words(files=True),
)
@click.option(
    "--output",
    "-o",
    cls=base.Option,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Copy the packed environment to this file.",
)
@click.option(
    "--channel",
    "channels",
    cls=base.Option,
    multiple=True,
    metavar="URL",
    help="Channel that has the packages. Repeatable.",
)
@click.option(
    "--builder",
    cls=base.Option,
    metavar="NAME",
    help="Tool: micromamba, mamba, conda, rattler or venv  [default: the first that is installed]",
)
@click.option(
    "--update", cls=base.Option, is_flag=True, help="Resolve the list of packages again, to newer versions."
)
def build(
    what: str | None, output: Path | None, channels: tuple[str, ...], builder: str | None, *, update: bool
) -> None:
    """Pack the active environment, or another one, unless it is packed already."""
    from wq_runner.environment.choice import Wish, choose

    wish = Wish(environment=_as_path(what), channels=channels, builder=builder, update=update)
    choose(wish)
    with _preparation(wish) as preparation:
        began = time.monotonic()
        found = preparation.base()
        if output is not None:
            shutil.copyfile(found.archive, output)
    if found.hint:
        echo(f"warning: {found.hint}", err=True)
    _say_key(found.key, found.size, time.monotonic() - began if found.built else None)


@cli.command("list")
def list_() -> None:
    """List the environments and the code that are kept, the last used first."""
    from wq_runner.environment import overview

    echo("\n".join(overview.listing(_store())))


@cli.command()
@click.argument("key", shell_complete=_keys)
def show(key: str) -> None:
    """Show the packages of an environment, or the commits and files of code that was shipped."""
    from wq_runner.environment import overview

    store = _store()
    echo("\n".join(overview.details(store, overview.find(store, key))))


@cli.command()
@click.argument("a", shell_complete=_keys)
@click.argument("b", shell_complete=_keys)
def diff(a: str, b: str) -> None:
    """Show what differs between two environments, or between the code of two runs."""
    from wq_runner.environment import overview

    store = _store()
    found = overview.compare(overview.find(store, a), overview.find(store, b))
    echo("\n".join(found.lines))


@cli.command(
    examples="""
    wq-env clean --max-cache 5GB                     what was used longest ago goes first
    wq-env clean --unused 30d
    wq-env clean KEY
    """
)
@click.argument("keys", metavar="[KEY]...", nargs=-1, shell_complete=_keys)
@click.option(
    "--max-cache",
    cls=base.Option,
    type=types.SIZE,
    help="Delete those that were unused for longest, until no more than this is left.",
)
@click.option(
    "--unused", cls=base.Option, type=types.SECONDS, help="Delete what has not been used for this long."
)
@click.option(
    "--all", "everything", cls=base.Option, is_flag=True, help="Delete everything that no run is using."
)
def clean(keys: tuple[str, ...], max_cache: int | None, unused: float | None, *, everything: bool) -> None:
    """Delete environments and code that are kept, but nothing that a run is using."""
    from wq_runner.environment import overview
    from wq_runner.units import format_size

    store = _store()
    entries = store.entries()
    if not (keys or everything or max_cache is not None or unused is not None):
        raise UsageError(
            "say what to delete: a KEY, --max-cache SIZE, --unused TIME or --all",
            hint="wq-env list",
        )
    chosen = entries if everything else [overview.find(store, key) for key in keys]
    if unused is not None:
        chosen += [entry for entry in entries if time.time() - entry.last_used > unused]
    freed = 0
    for entry in {entry.path: entry for entry in chosen}.values():
        size = store.size(entry)
        if store.remove(entry):
            freed += size
            echo(f"deleted  {entry.key}")
        else:
            echo(f"in use   {entry.key}")
    before = sum(store.size(entry) for entry in store.entries())
    if max_cache is not None:
        for entry in store.shrink(max_cache):
            echo(f"deleted  {entry.key}")
    if everything:
        store.sweep()
    freed += before - sum(store.size(entry) for entry in store.entries())
    echo(f"{format_size(freed)} freed")


@cli.command(
    examples="""
    wq-env check                                     what would be shipped from here, and whether it works
    wq-env check -p analysis.py:Analysis
    """
)
@click.option(
    "--processor",
    "-p",
    cls=base.Option,
    metavar="MODULE:NAME|FILE.py:NAME",
    shell_complete=completion.words(files=True),
    help="Processor whose code is shipped as well.",
)
@click.option(
    "--environment",
    cls=base.Option,
    default="packed",
    metavar="packed|none|FILE",
    shell_complete=completion.words("packed", "none", files=True),
    help="The same as for wq-run.",
)
@click.option(
    "--extra-file",
    "extra",
    cls=base.Option,
    multiple=True,
    type=click.Path(path_type=Path),
    help="The same as for wq-run.",
)
def check(processor: str | None, environment: str, extra: tuple[Path, ...]) -> None:
    """Build what a run would ship from here, and try it in a clean shell.

    The exit code is 4 if it does not work.
    """
    from wq_runner.environment.choice import Wish, analysis_directory
    from wq_runner.environment.smoke import NEEDED

    tried = _tried(processor)
    wish = Wish(
        environment=environment,
        analysis=analysis_directory(processor),
        imported=_imported() if processor else (),
        extra_files=extra,
    )
    with _preparation(wish) as preparation:
        began = time.monotonic()
        found = preparation.environment()
        echo(f"{found.description}  ({time.monotonic() - began:.1f} s)")
        for note in found.notes:
            echo(f"warning: {note}", err=True)
        began = time.monotonic()
        tested = preparation.check(modules=NEEDED, **tried)
        for note in preparation.findings:
            echo(f"warning: {note}", err=True)
        echo(f"works ({'tried in' if tested else 'as before,'} {time.monotonic() - began:.1f} s)")


@cli.command(
    context_settings={"ignore_unknown_options": True},
    examples="""
    wq-env shell 3f9c1a                                      a shell in this environment
    wq-env shell 3f9c1a --overlay 8be21f4 -- python -m site    a command, with the code of a run
    """,
)
@click.argument("key", shell_complete=_keys)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--overlay",
    cls=base.Option,
    metavar="KEY",
    shell_complete=_keys,
    help="Code to add on top of the environment.",
)
def shell(key: str, command: tuple[str, ...], overlay: str | None) -> None:
    """Start a shell, or a command, in an environment as a task has it."""
    from wq_runner.environment import overview
    from wq_runner.environment.enter import enter

    store = _store()
    enter(store, [overview.find(store, name) for name in (key, overlay) if name], command)


def _store() -> Store:
    from wq_runner.environment.store import Store

    return Store.default(on_wait=lambda text: echo(text, err=True))


def _preparation(wish: Wish) -> Preparation:
    from wq_runner.environment.preparation import Preparation

    bar = click.progressbar(length=1, label="packing", file=sys.stderr)
    hidden = not sys.stderr.isatty()

    def progress(done: int, total: int) -> None:
        if not hidden:
            bar.length = total
            bar.update(done - bar.pos)
            if done == total:
                bar.render_finish()

    return Preparation(wish=wish, say=lambda text: echo(text, err=True), progress=progress)


def _tried(processor: str | None) -> dict[str, Any]:
    """Return what of a processor is tried, besides the modules that all tasks need."""
    if processor is None:
        return {}
    import cloudpickle

    from wq_runner.code import pins
    from wq_runner.code.processor import load_processor, module_of

    found = load_processor(processor, {})
    return {"objects": [cloudpickle.dumps(found)], "code": pins.code([module_of(processor)])}


def _imported() -> tuple[tuple[str, Path], ...]:
    from wq_runner.code import own_modules

    return own_modules.files()


def _as_path(what: str | None) -> str:
    """Return what --environment would be: a bare name of a directory is one."""
    if what is None:
        return "packed"
    return what if not Path(what).is_dir() else str(Path(what).resolve())


def _say_key(key: str, size: int, seconds: float | None) -> None:
    from wq_runner.units import format_size

    how = "was there" if seconds is None else f"packed and tested in {seconds:.1f} s"
    echo(f"{key}  {format_size(size)}  {how}")
