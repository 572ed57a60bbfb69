"""Programs that end with this process, however it ends: not all of the engine's know how to."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from wq_runner import system

# The pipe closes when we are gone, kill -9 included. The shell becomes the program; what waits for the
# pipe is its child, and looks whether it still is before it ends it: ids of processes are used again.
_SCRIPT = """
(
    cat <&{pipe} >/dev/null
    read -r _ _ _ parent _ </proc/self/stat
    [ "$parent" = $$ ] && kill -TERM $$
) {pipe}<&{pipe} </dev/null >/dev/null 2>&1 &
exec {pipe}<&-
exec "$@"
"""

_PIPE = 9


class Leash:
    """One program, that gets SIGTERM when this process ends or `stop` is called."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        theirs, self._ours = os.pipe()
        try:
            # a shell's redirections know one digit only
            script = f"exec {_PIPE}<&{theirs}" if theirs < _PIPE else f"exec {_PIPE}</proc/self/fd/{theirs}"
            self.process: subprocess.Popen[bytes] = system.start(
                ["sh", "-c", script + _SCRIPT.format(pipe=_PIPE), command[0], *command],
                cwd=cwd,
                env={**os.environ, **(env or {})},
                output=log,
                pass_fds=[theirs],
            )
        except BaseException:
            os.close(self._ours)
            raise
        finally:
            os.close(theirs)
        self._open = True

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self, *, grace: float = 5.0) -> None:
        system.stop(self.process, grace=grace)
        if self._open:
            self._open = False
            os.close(self._ours)
