"""What is in a document of JSON or YAML, which several dialects ask; and what it is if it is no samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wq_runner.errors import nearest
from wq_runner.samples import content

IsHere = Callable[[str], bool]
"""Whether a name, that says nothing by itself, is that of a file which is here."""


def has_datasets(value: Mapping[Any, Any], is_here: IsHere) -> bool:
    """Whether these are datasets by name, perhaps without files."""
    bodies = list(value.values())
    return any(names_files(body, is_here) for body in bodies) or (
        bool(bodies) and all(body == [] for body in bodies)
    )


def has_groups(value: Mapping[Any, Any]) -> bool:
    """Whether there are datasets further down, by two names or more."""
    bodies = list(value.values())
    groups = any(_says_files(body) for body in bodies) or all(_is_lists(body) for body in bodies)
    return groups and any(is_group(body) for body in bodies)


def names_files(body: Any, is_here: IsHere = lambda _: False) -> bool:
    """Whether this is a dataset: files, or a mapping that has them."""
    if isinstance(body, dict):
        return "files" in body or is_mapping_of_files(body)
    if isinstance(body, list):
        return any(_names_file(one) or (isinstance(one, str) and is_here(one)) for one in body)
    return isinstance(body, str) and _is_one_file(body)


def _is_one_file(text: str) -> bool:
    """Whether text alone is a dataset: any path will not do, as settings have paths too."""
    bare = content.split_tree(text.strip())[0]
    return content.kind_by_name(bare) is not None or ("://" not in bare and bare.endswith(("/", "/*")))


def is_mapping_of_files(body: Mapping[Any, Any]) -> bool:
    """Whether ``{ds: {path: treename}}`` was written without the word files, as uproot takes it."""
    return bool(body) and all(
        content.may_be_data(key) and isinstance(tree, (str, dict, type(None))) and "://" not in str(tree)
        for key, tree in body.items()
    )


def is_group(body: Any) -> bool:
    """Whether there are datasets in it, at any depth."""
    if not isinstance(body, dict):
        return False
    return any(
        (is_dataset_of_group(one) and not _is_nearly_files(key)) or is_group(one) for key, one in body.items()
    )


def _says_files(body: Any) -> bool:
    """Whether some dataset below says that these are its files: of settings, parts may look like datasets."""
    if not isinstance(body, dict):
        return False
    files = body.get("files")
    entries = files if isinstance(files, (list, dict)) else [files]
    return any(map(_names_file, entries)) or is_by_year(files) or any(map(_says_files, body.values()))


def _is_lists(body: Any) -> bool:
    """Whether there is nothing below but lists of files, by name."""
    return isinstance(body, dict) and all(_is_lists(one) or is_dataset_of_group(one) for one in body.values())


def is_dataset_of_group(body: Any) -> bool:
    """Whether this is a dataset inside a group.

    It takes more than at the top: text alone is none, as corrections are files too, nor are any paths.
    """
    if isinstance(body, list):
        return any(isinstance(one, str) and content.kind_by_name(content.split_tree(one)[0]) for one in body)
    return isinstance(body, dict) and names_files(body)


def is_by_year(files: Any) -> bool:
    """Whether files are listed by year: ``{"2017": [...], "2018": ...}`` (HiggsDNA before coffea)."""
    return (
        isinstance(files, dict)
        and bool(files)
        and not any(content.may_be_data(key) for key in files)
        and all(isinstance(one, list) or content.may_be_data(one) for one in files.values())
    )


def name_of_file(entry: Mapping[Any, Any]) -> str | None:
    """Return the key under which an entry of a list of files has its name."""
    return next((key for key in ("path", "url", "file", "filename", "name") if key in entry), None)


def why_nothing(value: Any) -> str:
    """Say in one sentence why a document is no samples, and what it may be."""
    if not isinstance(value, dict) or not value:
        kind = "empty" if not value else f"a {type(value).__name__}"
        return f"expected a sample (with a list of files) or datasets by name; it is {kind}"
    other = _known(value)
    if other:
        return f"no samples: {other}"
    if any(not isinstance(body, (dict, list)) for body in value.values()):
        near = nearest("files", (str(key) for key in value))
        hint = f"nearest: {near}" if near else f"it has {_some(value)}"
        return f"no samples, as it has no list of files; {hint}"
    name, body = next(iter(value.items()))
    if isinstance(body, dict):
        said = without_files(str(name), body)
    else:
        said = f"{name}: {next(iter(body), body)!r} in files, expected the name of a file"
    return f"no samples, as nothing in it names a file of data ({said})"


def without_files(name: str, body: Mapping[Any, Any]) -> str:
    """Say of what should be a dataset that it has no files."""
    return f"{name}: has no list of files; it " + (f"has {_some(body)}" if body else "is empty")


def _known(value: Mapping[Any, Any]) -> str | None:
    """Name what people have beside their samples."""
    if "schema_version" in value or "corrections" in value:
        return "corrections of correctionlib"
    if are_options(value):
        return f"run options ({_some(value)}): they go to --custom-run-options"
    if all(str(key).isdigit() and _is_pairs(body) for key, body in value.items()):
        return "runs and luminosity sections, as of certified data"
    words = _words(value)
    if words and all(map(content.is_das_dataset, words)):
        listing = f"dasgoclient -query='file dataset={words[0]}'"
        return f"names of datasets of DAS: list their files first, as with {listing}"
    if words and sum(
        word.startswith(("HLT", "L1_", "Flag_", "Ele", "IsoMu", "Mu")) for word in words
    ) * 2 > len(words):
        return f"names of triggers or flags ({_some(value)})"
    return None


_OPTIONS = {
    *("scaleout", "chunksize", "mem-per-worker", "cores-per-worker", "disk-per-worker", "limit-files"),
    *("limit-chunks", "walltime", "queue", "voms-proxy", "ignore-grid-certificate", "sched-url"),
}


def _is_pairs(body: Any) -> bool:
    return isinstance(body, list) and all(isinstance(one, list) for one in body)


def are_options(value: Mapping[Any, Any]) -> bool:
    return any(
        str(key).replace("_", "-") in _OPTIONS and not isinstance(body, (dict, list))
        for key, body in value.items()
    )


def _words(value: Any) -> list[str]:
    """Return the texts in a document, without the keys."""
    if isinstance(value, dict):
        return [word for one in value.values() for word in _words(one)]
    if isinstance(value, list):
        return [word for one in value for word in _words(one)]
    return [value] if isinstance(value, str) else []


def _names_file(entry: Any) -> bool:
    if isinstance(entry, dict):
        key = name_of_file(entry)
        return key is not None and content.may_be_data(entry[key])
    return content.may_be_data(entry)


def lacks_files(value: Mapping[Any, Any]) -> bool:
    """Whether this is a sample whose list of files is called nearly so."""
    scalars = [body for body in value.values() if not isinstance(body, (dict, list))]
    return any(not names_files(one) for one in scalars) and any(map(_is_nearly_files, value))


def _is_nearly_files(key: Any) -> bool:
    return nearest("files", [str(key)]) is not None


def _some(value: Mapping[Any, Any]) -> str:
    return ", ".join(map(str, list(value)[:8])) + (", ..." if len(value) > 8 else "")
