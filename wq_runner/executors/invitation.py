"""How to start workers for a manager that waits for them."""

from __future__ import annotations

import os

from rich.text import Text

from wq_runner.workers.batch import SYSTEMS
from wq_runner.workers.starting import Door


def invitation(door: Door, *, quiet: bool = False) -> Text:
    """Return the lines that start workers, to be pasted. `quiet` leaves out the note on passwords."""
    rows = [("here", door.here), ("by port", door.by_port)]
    if door.name:
        rows.insert(1, ("by name", door.by_name))
    rows += [(batch.title, door.jobs(batch)) for batch in SYSTEMS.values()]
    if door.factory:
        rows.append(("factory", door.factory))
    lines = [f"waiting for workers{f' as {door.name}' if door.name else ''}, port {door.port}. Start some:"]
    lines += [f"  {label:<10}  {command}" for label, command in rows]
    instead = " in place of --password-file" if door.password_file else ""
    lines.append(
        f"  or let the run start them itself: end it, and add --workers local:{os.cpu_count() or 1}{instead}"
    )
    if door.password_file is None and not quiet:
        lines.append(
            f"note: no password is set: whoever reaches port {door.port} can run code here as you, as "
            "results are unpickled, and read your input and code. --password-file auto closes it."
        )
    return Text("\n".join(lines))
