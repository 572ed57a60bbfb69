"""What `wq-env` says of the store: pure functions that return lines."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wq_runner.environment.store import Layer, Store, Stored
from wq_runner.errors import UsageError, did_you_mean
from wq_runner.units import format_size

_LAYERS = {Layer.BASE: "base", Layer.OVERLAY: "overlay", Layer.WHEEL: "wheel"}


def find(store: Store, key: str) -> Stored:
    """Return the entry with this key, or the only one whose key begins so.

    Raises
    ------
    UsageError
        If there is none, or more than one.
    """
    entries = store.entries()
    same = [entry for entry in entries if entry.key == key]
    found = same or [
        entry for entry in entries if entry.key.startswith(key) or _hash(entry.key).startswith(key)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{key} may be {', '.join(entry.key for entry in found[:5])}",
            hint="say more of it",
            page="stored-environments",
        )
    raise UsageError(
        f"no environment {key} in {store.root}.{did_you_mean(key, [entry.key for entry in entries])}",
        hint="wq-env list shows all",
        page="stored-environments",
    )


def _hash(key: str) -> str:
    return key.rpartition("-")[2]


def listing(store: Store, *, now: float | None = None) -> list[str]:
    """Return a table of all entries, the last used ones first."""
    entries = store.entries()
    if not entries:
        return [f"nothing is in {store.root}"]
    rows = [("layer", "key", "size", "last used", "users", "what")]
    rows += [
        (
            _LAYERS[entry.layer],
            entry.key,
            format_size(store.size(entry)),
            _ago((now or time.time()) - entry.last_used),
            str(store.users(entry) or "-"),
            _what(entry),
        )
        for entry in entries
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows
    ]
    total = sum(store.size(entry) for entry in entries)
    return [*(line.rstrip() for line in lines), f"{format_size(total)} in {store.root}"]


def details(store: Store, entry: Stored) -> list[str]:
    """Return all that is known of an entry: packages of a base, commits of an overlay."""
    manifest = entry.manifest
    lines = [
        f"{_LAYERS[entry.layer]} {entry.key}",
        f"  path      {entry.path}",
        f"  size      {format_size(float(manifest.get('size', 0)))}",
        f"  created   {_when(float(manifest.get('created', 0)))}",
        f"  used      {_when(entry.last_used)}, by {store.users(entry)} processes now",
    ]
    if manifest.get("origin"):
        lines.append(f"  of        {manifest['origin']}")
    if manifest.get("base_python"):
        lines.append(f"  needs     {manifest['base_python']} on workers")
    for source in manifest.get("sources", ()):
        lines += _source(source)
    packages = manifest.get("packages", ())
    if packages:
        lines.append(f"  packages  {len(packages)}")
        lines += [
            f"    {_package(one)}" for one in sorted(packages, key=lambda one: str(one["name"]).lower())
        ]
    digests: Mapping[str, str] = manifest.get("digests", {})
    if digests:
        lines.append(f"  files     {len(digests)}")
        lines += [f"    {name}" for name in sorted(digests)]
    return lines


def _source(source: Mapping[str, Any], indent: str = "  ") -> list[str]:
    commit = source["commit"] or "no commit"
    state = f"{commit}{' and changes' if source['changed'] else ''}"
    lines = [f"{indent}source    {source['label']}", f"{indent}            {source['path']}: {state}"]
    subject = _subject(source)
    if subject:
        lines.append(f"{indent}            {subject}")
    for nested in source.get("nested", ()):
        lines += _source(nested, indent + "  ")
    return lines


def _subject(source: Mapping[str, Any]) -> str:
    """Return the date, the author and the first line of a commit, if its repository is still there."""
    import git

    try:
        with git.Repo(source["path"]) as repository:
            commit = repository.commit(source["commit"])
            day = commit.committed_datetime.strftime("%Y-%m-%d")
            return f"{day} {commit.author.name}: {commit.summary!s}"
    except (git.GitError, git.BadName, ValueError, OSError):
        return ""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What is only in the one, only in the other, or not the same in both."""

    removed: Sequence[str]
    added: Sequence[str]
    changed: Sequence[str]

    @property
    def lines(self) -> list[str]:
        found = [
            *(f"- {one}" for one in self.removed),
            *(f"+ {one}" for one in self.added),
            *(f"~ {one}" for one in self.changed),
        ]
        return found or ["the same in both"]


def compare(one: Stored, other: Stored) -> Difference:
    """Compare the packages of two bases, or the sources and files of two overlays.

    Raises
    ------
    UsageError
        If one is a base and the other is not.
    """
    if one.layer is not other.layer:
        raise UsageError(
            f"{one.key} is a {_LAYERS[one.layer]}, {other.key} a {_LAYERS[other.layer]}",
            page="stored-environments",
        )
    before, after = _contents(one), _contents(other)
    return Difference(
        removed=[f"{name} {before[name]}".rstrip() for name in sorted(before.keys() - after.keys())],
        added=[f"{name} {after[name]}".rstrip() for name in sorted(after.keys() - before.keys())],
        changed=[
            f"{name} {before[name]} -> {after[name]}"
            for name in sorted(before.keys() & after.keys())
            if before[name] != after[name]
        ],
    )


def _contents(entry: Stored) -> dict[str, str]:
    manifest = entry.manifest
    if entry.layer is Layer.BASE:
        return {
            one["name"]: f"{one['version']} {one['build']} {one['digest'][:8]}".replace("  ", " ").strip()
            for one in manifest.get("packages", ())
        }
    sources = {f"source {one['name']}": str(one["label"]) for one in manifest.get("sources", ())}
    digests: Mapping[str, str] = manifest.get("digests", {})
    return sources | {name: digest[:8] for name, digest in digests.items()}


def _package(one: Mapping[str, Any]) -> str:
    return (
        f"{one['name']} {one['version']}"
        + (f" {one['build']}" if one["build"] else "")
        + f"  ({one['origin']})"
    )


def _what(entry: Stored) -> str:
    manifest = entry.manifest
    if entry.layer is Layer.OVERLAY:
        return ", ".join(str(one["label"]) for one in manifest.get("sources", ()))
    return str(manifest.get("origin") or manifest.get("package", ""))


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "now"
