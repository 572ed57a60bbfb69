"""YAML: its mistakes, with the numbers of their lines."""

from __future__ import annotations

from pathlib import Path

from wq_runner.samples import document, paths
from wq_runner.samples.reading import FileDialect, Found, Prefixes, Reading


def read(path: Path, prefixes: Prefixes, where: str, reading: Reading) -> list[Found]:
    from wq_runner.samples import yaml_text

    text = document.text(path, reading)
    if text is None:
        return []
    parsed = yaml_text.parse(text)
    for mistake in parsed.mistakes:
        reading.problem(f"{paths.shown(path)}:{mistake.line}", mistake.text)
    if parsed.mistakes:
        return []
    return document.interpret(parsed.value, path, prefixes, where, reading)


DIALECT = FileDialect(suffixes=(".yaml", ".yml"), read=read)
