"""The smoke test: whether it works where it will run, and not just here.

It goes the way of a task: the same script, in a directory of its own, in a shell that knows nothing of ours.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import pickle
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from wq_runner import system
from wq_runner.environment import probe
from wq_runner.environment.launch import BROKEN, SCRIPT, Launch, script
from wq_runner.environment.store import Store, delete
from wq_runner.errors import WorkerEnvironmentError
from wq_runner.remote import leftovers, pinned
from wq_runner.remote.pinned import Code

# what a task imports before it comes to the user's code
NEEDED = ("dill", "cloudpickle", "lz4.frame", "coffea.processor", "uproot")
_SAME = ("coffea", "dill", "cloudpickle")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is tested: how Python starts there, and the files that travel, by their names there."""

    launch: Launch
    files: Mapping[str, Path]
    name: str
    originals: tuple[Path, ...] = ()
    """Directories of the code that travels: nothing may be imported from there, as a worker has none."""


def try_base(archive: Path, key: str, store: Store, *, hint: str = "") -> int:
    """Unpack a base where this machine keeps them, import what every task needs; return its bytes.

    Raises
    ------
    WorkerEnvironmentError
        If it does not work; then nothing of it stays unpacked.
    """
    launch = Launch(kind="packed", base=key, base_archive=archive.name, cache=str(store.unpacked), hint=hint)
    for left in store.unpacked.glob(f"{key}*"):
        delete(left)
    try:
        check(Subject(launch=launch, files={archive.name: archive}, name=key), modules=NEEDED)
    except BaseException:
        for left in store.unpacked.glob(f"{key}*"):
            delete(left)
        raise
    return sum(path.lstat().st_size for path in (store.unpacked / key).resolve().rglob("*"))


def check(
    subject: Subject,
    *,
    modules: Sequence[str] = (),
    objects: Sequence[bytes] = (),
    code: Code | None = None,
) -> Mapping[str, Any]:
    """Import modules and unpickle objects (dill) as a worker would, with the code that tasks get.

    Raises
    ------
    WorkerEnvironmentError
        If anything is missing there, or has another version than here.
    """
    wanted = versions()
    request = {
        "versions": wanted,
        "modules": list(modules),
        "objects": list(objects),
        "originals": list(map(str, subject.originals)),
        "homes": [str(Path.home())],
        "code": (code or Code()).pack(),
    }
    with tempfile.TemporaryDirectory(prefix=leftovers.prefix("smoke")) as name:
        task = Path(name) / "worker" / "t.1"
        task.mkdir(parents=True)
        for target, source in subject.files.items():
            (task / target).symlink_to(source.resolve())
        (task / SCRIPT).write_text(script(subject.launch), encoding="utf-8")
        shutil.copy(probe.__file__, task / "probe.py")
        package = Path(pinned.__file__).parent
        shutil.copytree(package, task / probe.REMOTE, ignore=shutil.ignore_patterns("__pycache__"))
        (task / "request").write_bytes(pickle.dumps(request))
        command = ["/bin/sh", SCRIPT, "probe.py", "request", "answer"]
        output = ""
        try:
            output = system.run(command, cwd=task, env=_clean(task))
            answer: dict[str, Any] = json.loads((task / "answer").read_text(encoding="utf-8"))
        except system.CommandError as error:
            raise _did_not_start(subject, error) from error
        except (OSError, ValueError) as error:
            raise WorkerEnvironmentError(f"{subject.name}: the test said nothing: {output}") from error
    _judge(subject, answer, wanted)
    return answer


def versions() -> dict[str, str]:
    """Return the versions that have to be the same on both sides."""
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    return found | {name: importlib.metadata.version(name) for name in _SAME}


def _clean(task: Path) -> dict[str, str]:
    home = task.parent / "home"
    home.mkdir()
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "WORK_QUEUE_SANDBOX": str(task.parent),
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
        "LC_ALL": "C.UTF-8",
    }


def _did_not_start(subject: Subject, error: system.CommandError) -> WorkerEnvironmentError:
    text = error.output.strip()[-2000:]
    if error.code == BROKEN:
        text = text.partition("wq-runner: ")[2] or text
    return WorkerEnvironmentError(f"{subject.name} does not work when it is unpacked: {text}")


def _judge(subject: Subject, answer: Mapping[str, Any], wanted: Mapping[str, str]) -> None:
    found = answer.get("versions", {})
    other = [
        f"{name} {found.get(name) or '(missing)'} there, {version} here"
        for name, version in wanted.items()
        if found.get(name) != version
    ]
    if other:
        raise WorkerEnvironmentError(
            f"{subject.name} and this Python have different versions: {', '.join(other)}",
            hint="functions are sent from one to the other, so these versions have to be the same",
        )
    failure = answer.get("failure")
    if failure is None:
        reached = answer.get("reached")
        if reached:
            raise _reached(subject, reached)
        return
    module = failure["module"]
    if not module:
        raise WorkerEnvironmentError(
            f"{subject.name}: a task would fail there with {failure['type']}: {failure['message']}\n\n"
            f"{failure['traceback'].strip()}"
        )
    raise WorkerEnvironmentError(
        f"{subject.name} has no module {module}\n{where_from(module)}", hint=how_to_add(module)
    )


def _reached(subject: Subject, modules: Mapping[str, str]) -> WorkerEnvironmentError:
    named = "\n".join(f"  {name}: {file}" for name, file in sorted(modules.items())[:5])
    more = f"\n  and {len(modules) - 5} more" if len(modules) > 5 else ""
    return WorkerEnvironmentError(
        f"{subject.name} works only as long as it reaches your own files: these modules were not taken from "
        f"what is shipped\n{named}{more}",
        hint="no worker has these paths for sure: import the modules by their names, or find their files "
        "beside __file__; --extra-file FILE ships one more",
    )


def where_from(module: str) -> str:
    """Say where a module comes from in this process."""
    place = _origin(module)
    if not place:
        return "here: not installed either"
    package = _distribution(module)
    of = f", of {package}" if package else ""
    return f"here: {place}{of}"


def how_to_add(module: str) -> str:
    """Return the command that makes a module known on workers.

    Only what came from an index is to be looked for there: whoever finds a private name free can take it.
    """
    top = module.partition(".")[0]
    place, package = _origin(top), _distribution(module)
    if package and (source := _installed_from(package)):
        return f"it was installed from {source}, and from there it has to come again: {_pip()} {source}"
    if package and _is_of_index(package):
        if (Path(sys.prefix) / "conda-meta").is_dir():
            return f"add it: conda install -c conda-forge {package}   (or: {_pip()} {package})"
        return f"add it: {_pip()} {package}"
    if place:
        path = Path(place)
        found = shlex.quote(str(path.parent if path.name == "__init__.py" else path))
        return f"add it to the command: --extra-file {found}"
    return (
        "if it is yours, install it here from its own source, or name it: --extra-file FILE.py; "
        "if it is a package that everybody has, install it here as its documentation says"
    )


def _pip() -> str:
    return f"{sys.executable} -m pip install"


def _installed_from(package: str) -> str:
    """Return where pip installed a package from, if it was named by its place: PEP 610."""
    text = importlib.metadata.distribution(package).read_text("direct_url.json")
    try:
        facts = json.loads(text or "{}")
    except ValueError:
        return ""
    url = str(facts.get("url", ""))
    if "vcs_info" in facts:
        return f"{facts['vcs_info'].get('vcs', 'git')}+{url}"
    return unquote(urlparse(url).path) if url.startswith("file:") else url


def _is_of_index(package: str) -> bool:
    installer = (importlib.metadata.distribution(package).read_text("INSTALLER") or "").strip()
    return bool(installer)  # who makes a package by hand does not say so


def _origin(module: str) -> str:
    loaded = sys.modules.get(module)
    if getattr(loaded, "__file__", None):
        return str(loaded.__file__)  # type: ignore[union-attr]
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return ""
    places = [*(spec.submodule_search_locations or ())] if spec else []
    return str((spec.origin if spec and spec.has_location else "") or next(iter(places), ""))


def _distribution(module: str) -> str:
    top = module.partition(".")[0]
    return next(iter(importlib.metadata.packages_distributions().get(top, [])), "")
