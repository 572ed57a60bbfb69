"""What of a processor's code is its end alone: the body of its postprocess, where nothing else can see it.

A mended postprocess is to run on what is there. Everything else of the code may have made what is there, so
the body is told apart only where it is shown that no other line of the analysis refers to it, by its name or
by any way of looking at what a class has. Where that cannot be shown, the file counts as a whole.
"""

from __future__ import annotations

import abc
import ast
import hashlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

from wq_runner.code.own_modules import Source
from wq_runner.environment.remembered import remembered

NAME = "postprocess"

_VERSION = 1  # raised when what is shown, or its hash, changes
_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"

# what looks at what a class or a module has, whatever it is called, or runs code that is not seen here: names
# of Python's own, modules that are imported, and what counts wherever it stands
_BUILTIN = frozenset({"dir", "vars", "globals", "locals", "exec", "eval", "compile", "__import__"})
_MODULES = frozenset(
    {"inspect", "linecache", "tokenize", "ast", "dis", "gc", "runpy", "builtins", "code", "imp", "pydoc"}
)
_ANYWHERE = frozenset(
    {
        *("getmembers", "getsource", "attrgetter", "methodcaller", "__dict__", "__code__", "co_code"),
        *("__subclasses__", "__getattribute__", "__init_subclass__", "__set_name__", "__prepare__"),
        *("import_module", "SourceFileLoader", "spec_from_file_location", "module_from_spec", "__builtins__"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """The file that it is in, the hash of all else in this file, and its own."""

    path: Path
    rest: str
    own: str


def of(processor: Any, sources: Mapping[str, Source]) -> Ending | None:
    """Return the end of a processor; None if it is not shown that it is nothing else's business.

    `sources` are all modules of the analysis, by their names.
    """
    owner = _owner(type(processor))
    if owner is None or NAME in getattr(processor, "__dict__", {NAME: None}):
        return None
    classes = [one for one in type(processor).__mro__ if not _is_coffeas(one)]
    if not all(_is_seen(one, sources) for one in classes) or type(type(processor)) not in (type, abc.ABCMeta):
        return None
    source = sources[owner.__module__]
    if not _is_its_own(vars(owner)[NAME], owner, source):
        return None
    hashes = _remember(source, f"without {owner.__qualname__}", lambda text: _shown(text, owner.__qualname__))
    others = (one for name, one in sources.items() if name != owner.__module__)
    if not hashes or not all(_remember(one, "of others", _shown) for one in others):
        return None
    rest, own = hashes.split()
    return Ending(path=source.path, rest=rest, own=own)


def _owner(kind: type) -> type | None:
    """Return the class whose postprocess it is."""
    found = next((one for one in kind.__mro__ if NAME in vars(one)), None)
    return None if found is None or _is_coffeas(found) else found


def _is_coffeas(kind: type) -> bool:
    from coffea.processor import ProcessorABC

    return kind in (object, abc.ABC, ProcessorABC)


def _is_seen(kind: type, sources: Mapping[str, Source]) -> bool:
    """Whether the text of a class is known."""
    source = sources.get(kind.__module__)
    return kind.__module__ != "__main__" and source is not None and bool(_defined(source, kind))


def _defined(source: Source, kind: type) -> str:
    """Return where a class defines its postprocess, or that it does not; empty if it is not known."""
    return _remember(source, f"the class {kind.__qualname__}", lambda text: _line(text, kind.__qualname__))


def _line(text: bytes, qualified: str) -> str:
    node = _class(parsed(text), qualified)
    # a decorator may do anything with what the class has; that of dataclasses looks at annotations
    if node is None or not all(_is_dataclass(one) for one in node.decorator_list):
        return ""
    method = _method(node)
    return "none" if method is None else str(method.lineno)


def _is_dataclass(node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else node
    return (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) == "dataclass"


def _is_its_own(method: Any, owner: type, source: Source) -> bool:
    """Whether a method is the one that the class defines there, and was not put there later."""
    if not isinstance(method, FunctionType):
        return False
    code = method.__code__
    return (code.co_filename, str(code.co_firstlineno)) == (source.file, _defined(source, owner))


# -- what is in a file


def _remember(source: Source, about: str, find: Callable[[bytes], str]) -> str:
    """Return what is found out about a file, once for each content; nothing, if that is not known."""
    text = source.text
    if text is None or source.edited:
        return ""
    whole = hashlib.blake2b(text, digest_size=16).hexdigest()
    return remembered().get(f"end {_VERSION} {_PYTHON} {about} {whole}", lambda: find(text))


def _shown(text: bytes, owner: str = "") -> str:
    """Return a word if a file is shown to have nothing to do with a postprocess; empty if it is not.

    Of that which has the class `owner`: the hashes of the file without the body of its postprocess, and of
    this.
    """
    tree = parsed(text)
    if tree is None:
        return ""
    own = "none"
    if owner:
        node = _method(_class(tree, owner))
        if node is None or node.decorator_list:
            return ""
        own = hash_of(node)
        node.body = [ast.Pass()]
    return f"{hash_of(tree)} {own}" if _is_apart(tree) else ""


def parsed(text: bytes) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _class(tree: ast.Module | None, qualified: str) -> ast.ClassDef | None:
    """Return a class of a module, if there is one of this name only, and no function makes it."""
    found: Any = tree
    for name in qualified.split("."):
        body = found.body if found is not None else ()
        named = [one for one in body if isinstance(one, ast.ClassDef) and one.name == name]
        found = named[0] if len(named) == 1 else None
    every = [one for one in ast.walk(tree) if isinstance(one, ast.ClassDef)] if tree is not None else []
    last = qualified.rpartition(".")[2]
    return found if sum(one.name == last for one in every) == 1 else None


def _method(node: ast.ClassDef | None) -> ast.FunctionDef | None:
    body = node.body if node is not None else ()
    found = [one for one in body if isinstance(one, ast.FunctionDef) and one.name == NAME]
    return found[0] if len(found) == 1 else None


def _is_apart(tree: ast.Module) -> bool:
    """Whether nothing in a module refers to a postprocess, but to define one."""
    texts = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}  # of which docstrings are
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in texts and NAME in str(node.value):
            return False
        if NAME in words_of(node) and not isinstance(node, ast.FunctionDef):
            return False
    return not looks_around(tree) and not asks_for_any(tree)


def looks_around(tree: ast.AST) -> bool:
    """Whether something in a module may look at what a class or a module has, whatever that is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in _BUILTIN:
            return True
        is_import = isinstance(node, ast.alias | ast.ImportFrom)
        for word in words_of(node):
            if word in _ANYWHERE or (is_import and word in _MODULES):
                return True
    return False


def asks_for_any(tree: ast.AST) -> bool:
    """Whether something asks for attributes by names that are not written there."""
    called = {id(one.func): one for one in ast.walk(tree) if isinstance(one, ast.Call)}
    named = (one for one in ast.walk(tree) if isinstance(one, ast.Name) and one.id == "getattr")
    return not all(_is_plain(called.get(id(one))) for one in named)


def _is_plain(call: ast.Call | None) -> bool:
    """Whether an attribute is asked for by a name that is written there."""
    return call is not None and len(call.args) > 1 and isinstance(call.args[1], ast.Constant)


def words_of(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node has in it, each part of those with dots."""
    if isinstance(node, ast.Constant):
        return
    for _, value in ast.iter_fields(node):
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                yield from one.split(".")


def hash_of(node: ast.AST) -> str:
    return hashlib.blake2b(ast.dump(node).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
