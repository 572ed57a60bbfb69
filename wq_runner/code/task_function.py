"""The function of a phase as the file that its tasks get."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wq_runner import guarded
from wq_runner.code import task_sources
from wq_runner.errors import ProcessorError
from wq_runner.remote import functions, settings
from wq_runner.remote.columns import NOTHING, Wish
from wq_runner.remote.opening import Reading
from wq_runner.remote.pinned import Code


def unsendable(error: BaseException) -> ProcessorError:
    """Return what is said of a processor, or a function, that cannot be pickled."""
    own = f"\n\n{guarded.lines_of(error)}" if guarded.is_of_user(error) else ""
    return ProcessorError(
        f"the processor cannot be sent to workers: {type(error).__name__}: {error}{own}",
        hint="open files, locks and connections cannot be attributes of a processor; "
        "create them in process()",
    )


def write_function(
    function: Callable[[Any], Any],
    staging: Path,
    code: Code,
    seed: int | None = None,
    reading: Reading | None = None,
    columns: Wish = NOTHING,
) -> Path:
    """Write a function, with what it needs to be the same on workers, and return the file.

    `code` is that of the analysis; random numbers follow from `seed`. Files are read as `reading` says;
    `columns` says which of their columns workers keep. The name is the content, this code included: workers
    cache the file, and a process that has imported for it, by its name.

    Raises
    ------
    ProcessorError
        If the function cannot be pickled.
    """
    import dill

    try:
        content = dill.dumps(function)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise unsendable(error) from error
    preamble = functions.preamble(
        code,
        task_sources.sources(),
        seed=seed,
        kept=vars(columns),
        settings=settings.of_process(),
        reading=reading,
    )
    digest = hashlib.blake2b(preamble + content, digest_size=8).hexdigest()
    path = staging / f"function-{digest}"
    path.write_bytes(preamble + content)
    return path
