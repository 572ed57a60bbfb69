"""The engine's constants, under the engine's names, as its header has them."""

from ndcctools.work_queue._cwork_queue import lib

# of later releases: known by name, never reported by this one
WORK_QUEUE_RESULT_OUTPUT_TRANSFER_ERROR = 10 << 3

globals().update({name: getattr(lib, name) for name in dir(lib) if name.startswith("WORK_QUEUE_")})
__all__ = sorted(name for name in globals() if name.startswith("WORK_QUEUE_"))  # noqa: PLE0605
