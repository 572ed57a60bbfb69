"""What the engine writes about itself, and where its random ports are."""

import os

from ndcctools.work_queue._convert import chars
from ndcctools.work_queue._cwork_queue import lib


def cctools_debug_flags_set(flag: str) -> int:
    """Switch a subsystem's messages on ("all", "wq", "tcp", ...); return 0 if there is no such subsystem."""
    return lib.cctools_debug_flags_set(chars(flag))


def cctools_debug_config_file(name: str) -> None:
    lib.cctools_debug_config_file(chars(name))


def cctools_debug_config_file_size(size: int) -> None:
    """Rotate the log at this many bytes; 0 never does."""
    lib.cctools_debug_config_file_size(size)


def set_debug_flag(*flags: str) -> None:
    for flag in flags:
        cctools_debug_flags_set(flag)


def specify_debug_log(logfile: str) -> None:
    set_debug_flag("all")
    cctools_debug_config_file_size(0)
    cctools_debug_config_file(logfile)


def specify_port_range(low_port: int, high_port: int) -> None:
    if low_port > high_port:
        raise TypeError(f"low_port {low_port} should be smaller than high_port {high_port}")
    os.environ["TCP_LOW_PORT"] = str(low_port)
    os.environ["TCP_HIGH_PORT"] = str(high_port)


lib.cctools_debug_config(b"work_queue_python")
