"""YAML, with the line of every mistake: PyYAML takes a key that is there twice without a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, kw_only=True)
class Mistake:
    line: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Document:
    value: Any
    mistakes: tuple[Mistake, ...] = ()


def parse(text: str) -> Document:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        mistakes = tuple(_repeated_keys(node))
        value = loader.construct_document(node) if node is not None and not mistakes else None
    except yaml.YAMLError as error:
        return Document(value=None, mistakes=(_mistake(error),))
    finally:
        loader.dispose()
    return Document(value=value, mistakes=mistakes)


def _mistake(error: yaml.YAMLError) -> Mistake:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).split("\n", 1)[0]
    return Mistake(line=mark.line + 1 if mark else 1, text=f"not YAML: {problem}")


def _repeated_keys(node: yaml.Node | None) -> list[Mistake]:
    mistakes: list[Mistake] = []
    pending: list[yaml.Node | None] = [node]
    visited: set[int] = set()
    while pending:
        item = pending.pop()
        if item is None or id(item) in visited:
            continue
        visited.add(id(item))
        if isinstance(item, yaml.SequenceNode):
            pending += item.value
        elif isinstance(item, yaml.MappingNode):
            pending += [value for _, value in item.value]
            mistakes += _repeated_in(item)
    return sorted(mistakes, key=lambda mistake: mistake.line)


def _repeated_in(node: yaml.MappingNode) -> list[Mistake]:
    first: dict[str, int] = {}
    mistakes = []
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.value in first:
            text = f"{key.value} is there twice; first in line {first[key.value]}"
            mistakes.append(Mistake(line=line, text=text))
        first.setdefault(key.value, line)
    return mistakes
