"""The rooms of the house: who may know whom. docs/architecture.md says why."""

from __future__ import annotations

import ast
import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import running

import wq_runner
from wq_runner.executors import environments

PACKAGE = Path(wq_runner.__file__).parent

VALUES = ("errors", "model", "units", "literals", "plain", "clock", "formats")
BASE = (*VALUES, "names", "system", "checksums", "run_events", "journal", "summary", "kept_results")
SENT = ("remote", "guarded")
WORLD = ("samples", "environment", "engine", "workers", "monitor", "survey")
CORE = ("code", "fingerprint", "ledger", "scheduler", "coffea_adapter")
RUNS = ("config", "planning", "output", "directory", "results", "executors")
LAYERS: dict[str, tuple[str, ...]] = {
    # what a room may import beside itself: only rooms above it
    "errors": (),
    "model": (),
    "units": (),
    "literals": (),
    "plain": (),
    "clock": (),
    "formats": (),
    "remote": (),  # travels to workers by itself
    "guarded": ("errors", "remote"),
    "names": (),
    "system": VALUES,
    "checksums": ("system",),
    "run_events": (),
    "journal": (*VALUES, "system", "checksums", "run_events"),
    "summary": (*VALUES, "system", "checksums"),
    "kept_results": (*VALUES, "names", "system", "checksums", "summary"),
    "terminal": BASE,
    "samples": (*BASE, "remote"),
    "environment": (*BASE, "remote"),
    "workers": (*BASE, *SENT),
    "monitor": BASE,
    "survey": BASE,
    "engine": (*BASE, *SENT),
    "code": (*BASE, *SENT, "environment"),
    "fingerprint": (*BASE, "remote", "environment", "code"),
    "ledger": (*BASE, *SENT, "engine"),
    "scheduler": (*BASE, *SENT, "engine", "workers", "code", "fingerprint", "ledger"),
    "coffea_adapter": (*BASE, *SENT, *WORLD, "terminal", "code", "ledger", "scheduler"),
    "config": (*BASE, *WORLD, "terminal", "code", "fingerprint", "ledger", "scheduler"),
    "planning": (*BASE, "remote", "samples", "workers", "ledger", "scheduler", "config"),
    "output": (*BASE, *SENT, "samples", "engine", "ledger", "scheduler", "config", "planning"),
    "directory": (*BASE, *SENT, *WORLD, "terminal", *CORE, "config", "planning", "output"),
    "results": (*BASE, *WORLD, "terminal", *CORE, "config", "planning", "output", "directory"),
    "executors": (*BASE, *SENT, *WORLD, "terminal", *CORE, "config", "planning"),
    "frameworks": (*BASE, *SENT, *WORLD, *CORE, *RUNS),
    "steps": (*BASE, *SENT, *WORLD, "terminal", *CORE, *RUNS),
    "export": (*BASE, *SENT, *WORLD, "terminal", *CORE, *RUNS, "steps"),
    "api": (*BASE, *SENT, *WORLD, *CORE, *RUNS, "steps"),
    "pocketcoffea": (*BASE, "workers", "monitor", "coffea_adapter", *RUNS, "frameworks"),
    "processor": ("coffea_adapter",),  # in place of coffea's module of this name
    "cli": (*BASE, *WORLD, "terminal", *CORE, *RUNS, "steps", "export"),
}

# within the scheduler: decisions are pure, the loop performs them; of those who start it nobody below knows
DECISIONS = ("scheduler.policy", "scheduler.batching", "scheduler.bundles", "ledger.items")
DOORS = ("coffea_adapter", "scheduler.session")


def modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def imports(path: Path) -> tuple[tuple[str, int], ...]:
    """Return what a file imports, wherever in it, as absolute names."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # what travels to workers has another name there, and so may not say its own
            assert not node.level or path.parent.name == "remote", f"{path}:{node.lineno}: relative import"
            package = "wq_runner.remote." * bool(node.level) + (node.module or "")
            yield from ((f"{package}.{alias.name}".replace("..", "."), node.lineno) for alias in node.names)


def own_imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield what a file imports of the package, without the package's name."""
    for name, line in imports(path):
        if name.startswith("wq_runner."):
            yield name.removeprefix("wq_runner."), line


MODULES = modules()


@pytest.mark.parametrize("module", sorted(name for name in MODULES if name))
def test_imports_go_one_way(module: str) -> None:
    room = module.partition(".")[0]
    assert room in LAYERS, f"say in {Path(__file__).name} and docs/architecture.md where {room} belongs"
    wrong = [
        f"{MODULES[module]}:{line} imports {name}"
        for name, line in own_imports(MODULES[module])
        if name.split(".")[0] not in (room, *LAYERS[room])
    ]
    assert not wrong


EDGE = ("config", "cli")  # where options are read, and made into what rooms are told
KNOW_OPTIONS = {"api.call", "api.given", "api.signature"}  # the door of a notebook, where they are keywords


def test_rooms_are_told_values_and_not_options() -> None:
    knowing = {
        module
        for module, path in MODULES.items()
        if module.partition(".")[0] not in EDGE
        and "config.options.RunOptions" in [name for name, _ in own_imports(path)]
    }
    assert knowing == KNOW_OPTIONS, "take what is needed from config.settings"


def test_rooms_import_only_those_above_them() -> None:
    order = [*LAYERS]
    wrong = {
        room: below
        for room, others in LAYERS.items()
        if (below := [one for one in others if order.index(one) >= order.index(room)])
    }
    assert not wrong


def module_of(name: str) -> str:
    """Return the module that an imported name is, or is in."""
    while name not in MODULES:
        name = name.rpartition(".")[0]
    return name


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Nor through imports for type checkers, nor through those in functions, nor within a room."""
    known = {
        name: {module_of(one) for one, _ in own_imports(path)} - {name}
        for name, path in MODULES.items()
        if name
    }
    while free := {name for name, others in known.items() if not others & known.keys()}:
        known = {name: others for name, others in known.items() if name not in free}
    assert not known, "these import each other, or those who do"


def test_no_name_of_a_module_is_in_three_rooms() -> None:
    rooms: dict[str, set[str]] = {}
    for name in MODULES:
        rooms.setdefault(name.rpartition(".")[2], set()).add(name.partition(".")[0])
    assert not {name: found for name, found in rooms.items() if len(found) > 2}


def test_decisions_know_neither_the_loop_nor_coffea() -> None:
    for name in DECISIONS:
        found = [name for name, _ in imports(MODULES[name])]
        assert not [name for name in found if name.startswith(("wq_runner.scheduler.loop", "coffea"))]


def test_the_loop_does_not_know_its_doors() -> None:
    for module, path in MODULES.items():
        if module.startswith("scheduler.") and module not in DOORS:
            assert not [name for name, _ in own_imports(path) if name.startswith(DOORS)], module


@pytest.mark.parametrize(
    ("library", "where"),
    [("ndcctools", {"engine.queue_process"}), ("subprocess", {"system"})],
)
def test_one_place_for(library: str, where: set[str]) -> None:
    found = {
        module
        for module, path in MODULES.items()
        if any(name.split(".")[0] == library for name, _ in imports(path)) and _uses(path, library)
    }
    # what travels to workers by itself cannot use the manager's modules
    assert {module for module in found if not module.startswith("remote")} <= where


def _uses(path: Path, library: str) -> bool:
    """Return whether a file does more with `subprocess` than to name its types and constants."""
    if library != "subprocess":
        return True
    starting = {"Popen", "run", "call", "check_call", "check_output", "getoutput", "getstatusoutput"}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name)]
    return any(ast.unparse(call) in {f"subprocess.{name}" for name in starting} for call in named) or any(
        isinstance(node, ast.ImportFrom) and node.module == "subprocess" for node in ast.walk(tree)
    )


def test_the_monitor_needs_neither_coffea_nor_the_engine() -> None:
    for module, path in MODULES.items():
        if module.startswith("monitor"):
            found = {name.split(".")[0] for name, _ in imports(path)}
            assert not found & {"coffea", "awkward", "uproot", "ndcctools"}, module


# -- what a command imports, and how fast it answers --

HEAVY = {"coffea", "awkward", "numpy", "uproot", "matplotlib", "rich", "hist", "ndcctools", "rattler", "yaml"}


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stderr


@pytest.mark.parametrize("argument", ["--help", "--show-options"])
def test_nothing_heavy_is_imported_for(argument: str) -> None:
    code = (
        "import sys\nfrom wq_runner.cli import run\n"
        f"run.cli.main(['{argument}'], standalone_mode=False)\n"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    assert not HEAVY & set(run_python(code).split())


CHILDREN = ("children_user", "children_system")


def test_help_is_quick() -> None:
    seconds = []
    for _ in range(7):
        before = os.times()
        subprocess.run([running.program("wq-run"), "--help"], stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        # of a processor: what other programs take from it is none of ours
        user, system = (getattr(after, name) - getattr(before, name) for name in CHILDREN)
        seconds.append(user + system)
    assert min(seconds) < 0.3, seconds


# -- what workers import, whose environments somebody else may have made --

ONLY_HERE = (
    *("click", "conda_pack", "cryptography", "filelock", "git", "matplotlib", "mplhep", "msgspec"),
    *("platformdirs", "venv_pack"),
)


@pytest.mark.parametrize("module", [*environments.OURS, "wq_runner.coffea_adapter.fallbacks"])
def test_tasks_need_no_package_that_only_the_manager_has(module: str) -> None:
    run_python(f"import sys\nsys.modules.update(dict.fromkeys({ONLY_HERE}))\nimport {module}")
