"""What each of several processors depends on in the files that define them.

An edit of one is to run that one again, and to keep what the others have done. So of a file with a processor
the others have a hash of their own: without what only that processor can see. Where this cannot be shown,
such a file counts as a whole, for all of them.

What is left out is never run nor looked at for another processor: bodies of functions which nothing mentions
that the other may run. What a file does when it is imported counts for all, as they share a process.
"""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any

from wq_runner.code.own_modules import Source
from wq_runner.fingerprint.postprocessing import asks_for_any, hash_of, looks_around, parsed, words_of

# decorators that call nothing of the class or function they are above, but what is called of it anyway
_PLAIN = frozenset(
    {"staticmethod", "classmethod", "property", "cached_property", "abstractmethod", "dataclass"}
)

_Defined = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def apart(processors: Mapping[str, Any], sources: Mapping[str, Source]) -> dict[str, dict[str, str]]:
    """Return the hash that a module has for each processor, where they see different parts of it.

    `sources` are all modules of the analysis by their names, as they were imported.
    """
    if any(one.text is None or one.edited for one in sources.values()):
        return {}
    trees = {name: parsed(one.text or b"") for name, one in sources.items()}
    if any(tree is None or looks_around(tree) or _finds_modules(tree) for tree in trees.values()):
        return {}
    known = {name: tree for name, tree in trees.items() if tree is not None}
    homes = {name: _home(one) for name, one in processors.items()}
    found = {}
    for module in {home[0] for home in homes.values()} & {*known}:
        hashes = _of_module(module, homes, known, sources)
        if len(set(hashes.values())) > 1:
            found[module] = hashes
    return found


def _home(processor: Any) -> tuple[str, str]:
    """Return the module that defines a processor, and the name of its class or function there."""
    kind = processor if isinstance(processor, FunctionType) else type(processor)
    return kind.__module__, kind.__qualname__


def _of_module(
    module: str,
    homes: Mapping[str, tuple[str, str]],
    trees: Mapping[str, ast.Module],
    sources: Mapping[str, Source],
) -> dict[str, str]:
    others = [one for name, one in trees.items() if name != module and _reaches(name, one, sources, module)]
    mentioned = {word for one in others for word in _mentions(one)}
    anything = any(map(asks_for_any, others))  # of a module that they have
    hashes = {}
    for name, (home, own) in homes.items():
        foreign = {other for where, other in homes.values() if where == module} - {
            own if home == module else ""
        }
        if anything or (others and home != module):
            hidden: set[str] = set()
        elif home == module:
            hidden = foreign - mentioned
        else:
            hidden = {one.name for one in trees[module].body if isinstance(one, _Defined)}
        hashes[name] = hash_of(_without(trees[module], hidden))
    return hashes


def _without(tree: ast.Module, hidden: set[str]) -> ast.Module:
    """Return a module without the bodies of those functions and classes that nothing else in it mentions."""
    names = [one.name for one in tree.body if isinstance(one, _Defined)]
    left = {
        one.name: one
        for one in tree.body
        if isinstance(one, _Defined) and one.name in hidden and names.count(one.name) == 1 and _is_plain(one)
    }
    seen: set[str] = set()
    waiting: list[ast.AST] = [_emptied(one) if _is_of(one, left) else one for one in tree.body]
    while waiting:
        seen |= set(_mentions(waiting.pop()))
        waiting += [left.pop(name) for name in seen & {*left}]
    body = [_emptied(one) if _is_of(one, left) else one for one in tree.body]
    return ast.Module(body=body, type_ignores=[])


def _is_of(node: ast.stmt, left: Mapping[str, ast.stmt]) -> bool:
    return isinstance(node, _Defined) and left.get(node.name) is node


def _is_plain(node: _Defined) -> bool:
    """Whether nothing gets hold of what is defined there while it is defined."""
    if not all(_name_of(one) in _PLAIN for one in node.decorator_list):
        return False
    if not isinstance(node, ast.ClassDef):
        return True
    methods = [one for one in node.body if isinstance(one, _Function)]
    rest = {word for one in node.body if one not in methods for word in _mentions(one)}
    return (
        not node.keywords
        and all(map(_is_plain, methods))
        and not rest & {one.name for one in methods}
        and not any(one.name in {"__set_name__", "__init_subclass__", "__class_getitem__"} for one in methods)
    )


def _name_of(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _emptied(node: ast.stmt) -> ast.stmt:
    """Return a definition with what is done when it is reached, and nothing else."""
    found = copy.copy(node)
    if isinstance(found, ast.ClassDef):
        found.body = list(itertools.chain.from_iterable(map(_at_once, found.body)))
    elif isinstance(found, _Function):
        return ast.Expr(
            ast.Tuple([one.value for one in _at_once(node) if isinstance(one, ast.Expr)], ast.Load())
        )
    return found


def _at_once(node: ast.stmt) -> list[ast.stmt]:
    """Return what is done when a statement of a class is reached: of a method its defaults and hints."""
    if not isinstance(node, _Function):
        return [node]
    given = node.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    annotations = [one.annotation for one in arguments if one is not None]
    values = [*node.decorator_list, *given.defaults, *given.kw_defaults, *annotations, node.returns]
    return [ast.Expr(one) for one in values if one is not None and not isinstance(one, ast.Constant)]


def _mentions(node: ast.AST) -> Iterator[str]:
    """Yield every name in some code, also within texts, but those that it only gives to what it defines."""
    for one in ast.walk(node):
        if isinstance(one, ast.Constant):
            if isinstance(one.value, str):
                yield from one.value.replace(".", " ").split()
        elif isinstance(one, _Defined):
            continue
        else:
            yield from words_of(one)


def _finds_modules(tree: ast.Module) -> bool:
    """Whether something looks for modules in another way than to import them."""
    return any({"modules", "importlib", "pkgutil"} & {*words_of(one)} for one in ast.walk(tree))


def _reaches(name: str, tree: ast.Module, sources: Mapping[str, Source], module: str) -> bool:
    """Whether a module imports another one, or what leads to it."""
    is_package = sources[name].path.name == "__init__.py"
    package = name if is_package else name.rpartition(".")[0]
    return any(
        module == one or module.startswith(f"{one}.") or one.rpartition(".")[0] == module
        for one in _imported(ast.walk(tree), package)
    )


def _imported(nodes: Iterable[ast.AST], package: str) -> Iterator[str]:
    """Yield what is bound by imports: a module, or something in one."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (one.name if one.asname else one.name.partition(".")[0] for one in node.names)
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: -(node.level - 1) or None] if node.level else []
            place = ".".join([*filter(None, above), *filter(None, [node.module])])
            yield from (f"{place}.{one.name}" if one.name != "*" else place for one in node.names)
