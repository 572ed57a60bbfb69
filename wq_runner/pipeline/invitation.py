"""How to start workers for a manager that waits for them."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from rich.text import Text


def invitation(
    name: str | None,
    port: int,
    password_file: Path | None,
    *,
    host: str = "",
    catalog: str | None = None,
    tls: bool = False,
    quiet: bool = False,
) -> Text:
    """Return the lines that start workers, to be pasted. `quiet` leaves out the note on passwords."""
    password = f" -P {password_file}" if password_file else ""
    told = f" -C {catalog}" if catalog else ""
    # who asks the catalog for the name is told of TLS by it
    tls_here = " --ssl" if tls else ""
    host = host or socket.getfqdn()
    told_place = f"{' -E--ssl' if tls else ''} {host} {port}".strip()
    far = told_place if catalog and catalog.startswith("127.") else f"{told} -M {name}".strip()
    size, batch = "--cores 1 --memory 4000 --disk 8000", "--cores 4 --memory 16000 --disk 16000"
    rows = [("by port", f"work_queue_worker {size}{password}{tls_here} {host} {port}")]
    if name:
        rows = [
            ("here", f"wq-workers local 4 -M {name}"),
            ("by name", f"work_queue_worker {size}{password}{told} -M {name}"),
            *rows,
            ("HTCondor", f"condor_submit_workers {batch}{password} {far} 10"),
            ("Slurm", f"wq-workers submit slurm 10 {batch} -M {name}"),
            (
                "factory",
                f"work_queue_factory -Tcondor{password}{told} -Cfactory.json   (its manager-name: {name})",
            ),
        ]
    lines = [f"waiting for workers{f' as {name}' if name else ''}, port {port}. Start some:"]
    lines += [f"  {label:<10}  {command}" for label, command in rows]
    lines.append("  or let this run start them: wq-run --workers local:" + str(os.cpu_count() or 1))
    if password_file is None and not quiet:
        lines.append(
            f"note: no password is set: whoever reaches port {port} can run code here as you, as results are "
            "unpickled, and read your input and code. --password-file auto closes it."
        )
    return Text("\n".join(lines))
