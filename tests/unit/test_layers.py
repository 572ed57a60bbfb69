"""The rooms of the house: who may know whom. docs/architecture.md says why."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import running

import wq_runner
from wq_runner.pipeline import environments

PACKAGE = Path(wq_runner.__file__).parent

VALUES = ("errors", "model", "units", "literals", "plain", "clock")
BASE = (*VALUES, "names", "system", "checksums", "journal", "summary", "results")
ROOMS = ("samples", "environment", "engine", "workers", "monitor", "survey")
LAYERS: dict[str, tuple[str, ...]] = {
    # what a room may import beside itself
    "errors": (),
    "model": (),
    "units": (),
    "literals": (),
    "plain": (),
    "clock": (),
    "remote": (),  # travels to workers by itself
    "guarded": ("errors", "remote"),
    "names": (),
    "system": VALUES,
    "checksums": ("system",),
    "journal": (*VALUES, "system", "checksums"),
    "summary": (*VALUES, "system", "checksums"),
    "results": (*VALUES, "names", "system", "checksums", "summary"),
    "samples": (*BASE, "remote"),
    "environment": (*BASE, "remote"),
    "workers": (*BASE, "remote", "guarded"),
    "monitor": BASE,
    "survey": BASE,
    "engine": (*BASE, "remote", "guarded"),
    "execution": (*BASE, "remote", "guarded", "engine", "environment", "workers", "monitor"),
    "config": (*BASE, *ROOMS, "execution"),
    "pipeline": (*BASE, *ROOMS, "remote", "guarded", "execution", "config"),
    "pocketcoffea": (*BASE, "workers", "monitor", "execution", "config", "pipeline"),
    "processor": ("execution",),  # in place of coffea's module of this name
    "cli": (*BASE, *ROOMS, "execution", "config", "pipeline"),
}

# within the execution: decisions are pure, the loop performs them, the executor is coffea's door
DECISIONS = ("policy", "shaping", "items")
DOORS = ("executor", "session", "queue_session")


def modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield what a file imports, wherever in it, as absolute names."""
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
KNOW_OPTIONS = {"pipeline.call", "pipeline.keywords"}  # the door of a notebook, where they are keywords


def test_rooms_are_told_values_and_not_options() -> None:
    knowing = {
        module
        for module, path in MODULES.items()
        if module.partition(".")[0] not in EDGE
        and "config.options.RunOptions" in [name for name, _ in own_imports(path)]
    }
    assert knowing == KNOW_OPTIONS, "take what is needed from config.settings"


def test_decisions_know_neither_the_loop_nor_coffea() -> None:
    for name in DECISIONS:
        found = [name for name, _ in imports(MODULES[f"execution.{name}"])]
        assert not [name for name in found if name.startswith(("wq_runner.execution.loop", "coffea"))]


def test_the_loop_does_not_know_its_doors() -> None:
    for module, path in MODULES.items():
        if module.startswith("execution.") and module.split(".")[1] not in DOORS:
            doors = tuple(f"execution.{door}" for door in DOORS)
            assert not [name for name, _ in own_imports(path) if name.startswith(doors)], module


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


@pytest.mark.parametrize("module", [*environments.OURS, "wq_runner.execution.anywhere"])
def test_tasks_need_no_package_that_only_the_manager_has(module: str) -> None:
    run_python(f"import sys\nsys.modules.update(dict.fromkeys({ONLY_HERE}))\nimport {module}")
