"""Passwords of workers: without one, whoever reaches the port is a worker, and runs what it likes here."""

from __future__ import annotations

import contextlib
import os
import shlex
from pathlib import Path

import platformdirs

from wq_runner import system
from wq_runner.errors import UsageError
from wq_runner.workers.local import write_password

AUTO = "auto"
NONE = "none"


def user_password() -> Path:
    """Return this user's own password file, made when it is first asked for."""
    path = Path(platformdirs.user_config_dir("wq-runner")) / "workers.password"
    if not path.exists():
        system.make_private(path.parent)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        write_password(temporary)
        with contextlib.suppress(FileExistsError):  # another run was faster: its password counts
            os.link(temporary, path)
        temporary.unlink()
    return path


def chosen(value: str | None) -> Path | None:
    """Return the password file that an option names, or None.

    Raises
    ------
    UsageError
        If others than its owner may read it, as then it is no secret.
    """
    if value is None or value == NONE:
        return None
    path = user_password() if value == AUTO else Path(value)
    if path.stat().st_mode & 0o077:
        raise UsageError(
            f"others may read the password file {path}",
            hint=f"chmod 600 {shlex.quote(str(path))}",
            page="passwords",
        )
    if not path.stat().st_size:
        raise UsageError(f"the password file {path} is empty", page="passwords")
    return path.resolve()
