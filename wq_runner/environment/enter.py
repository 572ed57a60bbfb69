"""Standing inside an environment as a task does: the same script, with a shell in the place of the task."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from wq_runner.environment.base import ARCHIVE, suffix_of
from wq_runner.environment.launch import OVERLAY, SCRIPT, Launch, script
from wq_runner.environment.store import Layer, Store, Stored
from wq_runner.errors import UsageError, WorkerEnvironmentError

_START = "import os, sys; os.chdir(sys.argv[1]); os.execvp(sys.argv[2], sys.argv[2:])"


def enter(store: Store, entries: Sequence[Stored], command: Sequence[str]) -> NoReturn:
    """Replace this process by a command, or a shell, inside a base and perhaps an overlay.

    Raises
    ------
    UsageError
        If there is not exactly one base among the entries.
    WorkerEnvironmentError
        If one is damaged.
    """
    base = next((one for one in entries if one.layer is Layer.BASE), None)
    overlay = next((one for one in entries if one.layer is Layer.OVERLAY), None)
    if base is None:
        raise UsageError(
            "an overlay alone has no Python",
            hint="wq-env shell BASE OVERLAY; wq-env list shows both",
            page="stored-environments",
        )
    for entry in filter(None, (base, overlay)):
        damage = entry.damage()
        if damage:
            raise WorkerEnvironmentError(
                f"{entry.key}: {damage}",
                hint=f"what made it makes it again: wq-run, or wq-env build; or wq-env clean {entry.key}",
                page="stored-environments",
            )
    archive = archive_of(base)
    launch = Launch(
        kind="packed",
        base=base.key,
        base_archive=f"base{suffix_of(archive)}",
        base_sum=base.manifest["cksum"],
        overlay=overlay.key if overlay else "",
        overlay_sum=overlay.manifest["cksum"] if overlay else "",
        cache=str(store.unpacked),
    )
    lease = store.lease(*(one for one in (base, overlay) if one))
    for file in lease.files:
        os.set_inheritable(file.fileno(), True)  # held by the shell from now on
    task = Path(tempfile.mkdtemp(prefix="wq-env-")) / "task"
    task.mkdir()
    (task / launch.base_archive).symlink_to(archive)
    if overlay is not None:
        (task / OVERLAY).symlink_to(overlay.path / OVERLAY)
    (task / SCRIPT).write_text(script(launch), encoding="utf-8")
    here = str(Path.cwd())
    words = list(command) or [os.environ.get("SHELL", "/bin/sh")]
    os.chdir(task)
    env = {**os.environ, "WORK_QUEUE_SANDBOX": str(task.parent), "WQ_ENV": base.key}
    os.execve("/bin/sh", ["/bin/sh", SCRIPT, "-c", _START, here, *words], env)


def archive_of(base: Stored) -> Path:
    """Return the archive of a base: in the store, or where the user's own lies."""
    own = base.path / ARCHIVE
    return own if own.exists() else Path(str(base.manifest.get("origin", "")))
