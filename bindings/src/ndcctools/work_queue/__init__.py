"""Work Queue: a manager of tasks that run on workers anywhere.

The names are those of the official Python API of ndcctools 7; README.md lists what is left out.
"""

from ndcctools.work_queue._constants import *  # noqa: F403
from ndcctools.work_queue.debug import (
    cctools_debug_config_file,
    cctools_debug_config_file_size,
    cctools_debug_flags_set,
    set_debug_flag,
    specify_debug_log,
    specify_port_range,
)
from ndcctools.work_queue.queue import WorkQueue
from ndcctools.work_queue.task import Task

__all__ = [  # noqa: PLE0604
    *(name for name in globals() if name.startswith("WORK_QUEUE_")),
    "Task",
    "WorkQueue",
    "cctools_debug_config_file",
    "cctools_debug_config_file_size",
    "cctools_debug_flags_set",
    "set_debug_flag",
    "specify_debug_log",
    "specify_port_range",
]
