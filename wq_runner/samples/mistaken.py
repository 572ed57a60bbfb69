"""What stands among the samples and is none: what was meant, and how it is said."""

from __future__ import annotations

import difflib
import re
import shlex
from pathlib import Path

_LISTS = (".txt", ".list", ".lst", ".filelist", ".csv")
_COMMANDS = ("status", "report", "samples", "env", "workers", "completion", "explain", "export")
_NAME = r"[A-Za-z_]\w*"
_NUMBER = r"(\d{1,3}(,\d{3})+|\d+)([kKM]?)"


def is_number(name: str) -> bool:
    """Whether it is a number as people write it: 50000, 50,000, 50k."""
    return re.fullmatch(_NUMBER, name) is not None


def answer(name: str) -> str | None:
    """Say what a word was meant for that names no samples; None if nothing is known of it."""
    if is_number(name):
        plain = name.replace(",", "")
        if plain[:1] == "0":  # the end of 100 000
            return f"a number is no file: numbers are written without blanks, such as 100{plain} or 100k"
        return (
            f"a number is no file: --chunksize {plain} (-c) says how many events a chunk has, "
            "--workers how many workers there are"
        )
    path, _, attribute = name.partition(":")
    if path.endswith((".py", ".ipynb")) or re.fullmatch(rf"{_NAME}(\.{_NAME})*:{_NAME}", name):
        there = "" if attribute or Path(path).suffix != ".py" else ":NAME"
        return f"a processor is named by an option: --processor {name}{there} (-p), and the samples follow"
    if re.fullmatch(rf"{_NAME}=.*", name):
        option = "--only" if name.startswith(("year=", "era=", "sample=", "dataset=")) else "--processor-args"
        return f"no such file; each NAME=VALUE needs an option of its own: {option} {name}"
    if re.fullmatch(r"[A-Za-z][\w-]*(@[\w.-]+)?:\d+(x\w*)*", name):
        return f"workers are asked for by an option: --workers {name} (-w)"
    if Path(name).suffix in _LISTS and Path(name).is_file():
        return (
            f"not a samples file; if its lines are: wq-run $(cat {shlex.quote(name)}), or a JSON file "
            '{"DATASET": ["FILE", ...]} of them'
        )
    return _command(name)


def _command(name: str) -> str | None:
    """Say what a word does as a command, if it may be meant for one."""
    if name == "run":
        return "no such file; wq-run runs without a word: leave it out"
    if name in {"resume", "continue", "restart"}:
        return "no such file; the command of a run, given again, continues it, without a word"
    if name in {"stop", "kill", "cancel"}:
        return "no such file; wq-run --stop DIR stops a run, as Ctrl-C does"
    near = difflib.get_close_matches(name, _COMMANDS, n=1, cutoff=0.75) if name.isalpha() else []
    return f"no such file; did you mean {near[0]}, a command of wq-run, which goes first?" if near else None
