"""The queue's settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ndcctools.work_queue._convert import chars, rmsummary
from ndcctools.work_queue._cwork_queue import ffi, lib

PathLike = str | os.PathLike[str]


class Settings:
    """What can be set of a queue; resources are dicts of fields of `Task.resources_measured`."""

    _work_queue: Any

    # names and secrets

    def specify_name(self, name: str) -> None:
        """Advertise the queue to the catalog server under this name."""
        lib.work_queue_specify_name(self._work_queue, chars(name))

    def specify_catalog_server(self, hostname: str, port: int) -> None:
        lib.work_queue_specify_catalog_server(self._work_queue, chars(hostname), port)

    def specify_priority(self, priority: int) -> None:
        lib.work_queue_specify_priority(self._work_queue, priority)

    def specify_manager_preferred_connection(self, mode: str) -> None:
        """Advertise "by_ip" or "by_hostname"."""
        lib.work_queue_manager_preferred_connection(self._work_queue, chars(mode))

    def specify_manager_mode(self, mode: int) -> None:
        lib.work_queue_specify_manager_mode(self._work_queue, mode)

    specify_master_preferred_connection = specify_manager_preferred_connection
    specify_master_mode = specify_manager_mode

    def specify_password(self, password: str) -> None:
        lib.work_queue_specify_password(self._work_queue, chars(password))

    def specify_password_file(self, file: PathLike) -> int:
        """Let only those workers in that have the same file; return 0 if it cannot be read."""
        return lib.work_queue_specify_password_file(self._work_queue, chars(file))

    # logs

    def specify_log(self, logfile: PathLike) -> int:
        """Append the statistics of the queue to a file; return 0 if it cannot be written."""
        return lib.work_queue_specify_log(self._work_queue, chars(logfile))

    def specify_transactions_log(self, logfile: PathLike) -> None:
        lib.work_queue_specify_transactions_log(self._work_queue, chars(logfile))

    def enable_monitoring(self, dirname: PathLike | None = None, watchdog: bool = True) -> int:
        """Measure tasks, and end those that exceed what they asked for; return 0 if that cannot be done."""
        return lib.work_queue_enable_monitoring(self._work_queue, _buffer(dirname), watchdog)

    def enable_monitoring_full(self, dirname: PathLike | None = None, watchdog: bool = True) -> int:
        return lib.work_queue_enable_monitoring_full(self._work_queue, _buffer(dirname), watchdog)

    # categories

    def specify_category_mode(self, category: str | None, mode: int) -> int:
        """Choose one of WORK_QUEUE_ALLOCATION_MODE_*; of None, for categories to come."""
        return lib.work_queue_specify_category_mode(self._work_queue, chars(category), mode)

    def specify_category_autolabel_resource(self, category: str, resource: str, autolabel: bool) -> int:
        return lib.work_queue_enable_category_resource(
            self._work_queue, chars(category), chars(resource), autolabel
        )

    def specify_max_resources(self, rmd: Mapping[str, float]) -> None:
        lib.work_queue_specify_max_resources(self._work_queue, rmsummary(rmd))

    def specify_min_resources(self, rmd: Mapping[str, float]) -> None:
        lib.work_queue_specify_min_resources(self._work_queue, rmsummary(rmd))

    def specify_category_max_resources(self, category: str, rmd: Mapping[str, float]) -> None:
        lib.work_queue_specify_category_max_resources(self._work_queue, chars(category), rmsummary(rmd))

    def specify_category_min_resources(self, category: str, rmd: Mapping[str, float]) -> None:
        lib.work_queue_specify_category_min_resources(self._work_queue, chars(category), rmsummary(rmd))

    def specify_category_first_allocation_guess(self, category: str, rmd: Mapping[str, float]) -> None:
        lib.work_queue_specify_category_first_allocation_guess(
            self._work_queue, chars(category), rmsummary(rmd)
        )

    def initialize_categories(self, filename: PathLike, rm: Mapping[str, float]) -> None:
        """Start from the summaries of an earlier run."""
        with Path(filename).open(encoding="utf-8"):  # the engine ends the process if it cannot
            lib.work_queue_initialize_categories(self._work_queue, rmsummary(rm), chars(filename))

    # scheduling

    def specify_algorithm(self, algorithm: int) -> None:
        """Choose workers by one of WORK_QUEUE_SCHEDULE_*."""
        lib.work_queue_specify_algorithm(self._work_queue, algorithm)

    def specify_task_order(self, order: int) -> None:
        lib.work_queue_specify_task_order(self._work_queue, order)

    def specify_num_tasks_left(self, ntasks: int) -> None:
        """Tell the factory how many tasks are still to be submitted."""
        lib.work_queue_specify_num_tasks_left(self._work_queue, ntasks)

    def specify_min_taskid(self, minid: int) -> int:
        return lib.work_queue_specify_min_taskid(self._work_queue, minid)

    def activate_fast_abort(self, multiplier: float) -> int:
        """Run tasks elsewhere that take so many times the average."""
        return lib.work_queue_activate_fast_abort(self._work_queue, multiplier)

    def activate_fast_abort_category(self, name: str, multiplier: float) -> int:
        return lib.work_queue_activate_fast_abort_category(self._work_queue, chars(name), multiplier)

    def specify_draining_by_hostname(self, hostname: str, drain_mode: bool = True) -> int:
        """Give no new tasks to the workers on a host, and let them go once they have none."""
        return lib.work_queue_specify_draining_by_hostname(self._work_queue, chars(hostname), drain_mode)

    def specify_keepalive_interval(self, interval: int) -> None:
        lib.work_queue_specify_keepalive_interval(self._work_queue, interval)

    def specify_keepalive_timeout(self, timeout: int) -> None:
        lib.work_queue_specify_keepalive_timeout(self._work_queue, timeout)

    def estimate_capacity(self) -> None:
        lib.work_queue_specify_estimate_capacity_on(self._work_queue, 1)

    def tune(self, name: str, value: float) -> int:
        """Set an advanced parameter; return -1 if there is none of this name."""
        return lib.work_queue_tune(self._work_queue, chars(name), value)


def _buffer(value: PathLike | None) -> Any:
    return ffi.NULL if value is None else ffi.new("char[]", chars(value))
