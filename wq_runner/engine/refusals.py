"""What the queue's process says where it cannot do what is asked for."""

from __future__ import annotations

from wq_runner.engine.messages import Failed, QueueSettings
from wq_runner.engine.release import DEBIANS


def failed(settings: QueueSettings, error: Exception) -> Failed:
    if isinstance(error, ImportError):
        return Failed(
            reason=f"the engine is not installed: {error}",
            hint="conda install -c conda-forge 'ndcctools<8'   (or, on Debian and Ubuntu: make setup)\n"
            "-e futures does without it, with processes of this machine",
        )
    if settings.tls:
        return Failed(
            reason=f"the queue could not start with TLS: {error}",
            hint="leave out --tls, or take the engine of conda-forge: "
            "conda install -c conda-forge 'ndcctools<8'",
        )
    low, high = settings.ports
    ports = f"port {low} is taken" if low == high else f"all ports from {low} to {high} are taken"
    return Failed(reason=f"the queue could not start: {ports} or not allowed ({error})", hint="try --port 0")


def without_foremen(which: str) -> Failed:
    return Failed(
        reason=f"a task that a foreman was to hand on never ran: they do not work with ndcctools {which}",
        hint="start workers that come to the run itself; foremen work with Debian's release "
        f"{DEBIANS} (coop-computing-tools), which the run and all workers need then",
    )
