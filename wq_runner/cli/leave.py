"""The end of a process, which no server of files holds up."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from typing import NoReturn

PATIENCE = 3.0  # seconds for servers to take note


def leave(code: int) -> NoReturn:
    """End the process.

    XRootD's client closes its files first, and would wait minutes for a server that hangs.
    """
    finalize = getattr(sys.modules.get("XRootD.client.finalize"), "finalize", None)
    if finalize is not None:
        atexit.unregister(finalize)
        closing = threading.Thread(target=finalize, name="closing", daemon=True)
        closing.start()
        closing.join(PATIENCE)
        if closing.is_alive():
            atexit._run_exitfuncs()
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(code)
    gc.freeze()  # or the interpreter looks for cycles among all that coffea brought, which takes 0.3 s
    sys.exit(code)
