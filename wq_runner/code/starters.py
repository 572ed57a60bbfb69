"""Files that run when they are imported: on workers that would happen again, in each process."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path

from wq_runner.errors import ProcessorError

_STARTERS = {
    "distributed": ("Client", "LocalCluster"),
    "dask.distributed": ("Client", "LocalCluster"),
    "dask_gateway": ("Gateway", "GatewayCluster"),
    "parsl": ("load",),
    "wq_runner": ("run", "WorkQueueExecutor"),
}
_CLUSTERS = ("dask_jobqueue", "lpcjobqueue")  # whatever of theirs ends so
_RUNNER = "coffea.processor.Runner"
_SIGNS = (b"distributed", b"jobqueue", b"dask_gateway", b"parsl", b"wq_runner", b"Runner", b"parse_args")


def check(path: Path) -> None:
    """Refuse a file whose import starts a cluster, or a whole run; it is not imported for this.

    Raises
    ------
    ProcessorError
        With the line.
    """
    try:
        text = path.read_bytes()
        if not any(sign in text for sign in _SIGNS):
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError):
        return  # its import says so
    names = dict(_imported(tree))
    runners: set[str] = set()
    for statement in _at_import(tree.body):
        for call in _calls(statement):
            called = _full(call.func, names)
            if called == _RUNNER and isinstance(statement, ast.Assign):
                runners |= {one.id for one in statement.targets if isinstance(one, ast.Name)}
            if _starts(called) or _reads_command(call, called) or _runs(call, names, runners):
                raise _error(path, text, call.lineno)


def _error(path: Path, text: bytes, number: int) -> ProcessorError:
    line = text.splitlines()[number - 1].decode(errors="replace").strip()
    return ProcessorError(
        f"this file runs when it is imported: {path}, line {number}, and again on workers\n\n  {line}\n",
        hint="put what runs below `if __name__ == '__main__':`; workers and clusters are asked for by "
        "--workers and --executor",
    )


def _starts(called: str) -> bool:
    package, _, name = called.rpartition(".")
    if package.partition(".")[0] in _CLUSTERS:
        return name.endswith("Cluster")
    return name in _STARTERS.get(package, ())


def _reads_command(call: ast.Call, called: str) -> bool:
    """Whether it takes our command line for its own; one that is given words does not."""
    return called.endswith(".parse_args") and not call.args and not call.keywords


def _runs(call: ast.Call, names: dict[str, str], runners: set[str]) -> bool:
    """Whether it is the call of a Runner of coffea: one with a name, or one that is made there."""
    if isinstance(call.func, ast.Name):
        return call.func.id in runners
    return isinstance(call.func, ast.Call) and _full(call.func.func, names) == _RUNNER


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the names that the file has for what it imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                yield (
                    one.asname or one.name.partition(".")[0],
                    one.name if one.asname else one.name.partition(".")[0],
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((one.asname or one.name, f"{node.module}.{one.name}") for one in node.names)


def _full(node: ast.expr, names: dict[str, str]) -> str:
    """Return the whole name of what is called: ``dd.Client`` is ``distributed.Client``."""
    if isinstance(node, ast.Attribute):
        return f"{_full(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def _at_import(body: list[ast.stmt]) -> Iterator[ast.stmt | ast.expr]:
    """Yield what runs at once: not the bodies of functions and of what is for the main program only."""
    for one in body:
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or _is_of_main(one):
            continue
        inner = [two for name in ("body", "orelse", "finalbody") for two in getattr(one, name, [])]
        if inner:
            yield from (item.context_expr for item in getattr(one, "items", []))  # with Client() as client:
            yield from _at_import(inner)
            yield from (
                found for handler in getattr(one, "handlers", []) for found in _at_import(handler.body)
            )
        else:
            yield one


def _is_of_main(one: ast.stmt) -> bool:
    return isinstance(one, ast.If) and any(
        isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(one.test)
    )


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    if isinstance(node, ast.Lambda):
        return
    if isinstance(node, ast.Call):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _calls(child)
