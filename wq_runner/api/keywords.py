"""What `wq_runner.run` takes by keyword, for type checkers and editors.

Made by `make docs` of the options in config/options.py: a change here would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from wq_runner.model import Order, ResourcesMode


class Keywords(TypedDict, total=False):
    """The options of `wq-run`, as values of Python. Sizes, times and counts may be text: ``"2GB"``."""

    processor_args: Mapping[str, Any] | str | Sequence[Mapping[str, Any] | str]
    dataset: str | None
    dataset_per_file: bool
    treename: str | None
    seed: int | None
    chunksize: int | str | Mapping[str, int | str]
    min_chunk: int | str
    task_time: float | str
    order: Order
    executor: str
    executor_custom_setup: str | Path | None
    workers: int | str | None
    pdb: bool
    in_place: bool
    scaleout: int | str | None
    queue: str | None
    cores_per_worker: int | str | None
    mem_per_worker: int | str | None
    disk_per_worker: int | str | None
    name: str | None
    port: int | str
    catalog: str | None
    password_file: str | Path | None
    tls: bool
    proxy: str
    redirector: str | Sequence[str]
    preload: str
    read_timeout: float | str | None
    uproot_option: Mapping[str, Any] | str | Sequence[Mapping[str, Any] | str]
    batch_options: str | None
    wait_time: float | str | None
    environment: str
    extra_file: str | Path | Sequence[str | Path]
    setup_command: str | Sequence[str]
    channel: str | Sequence[str]
    max_cache: int | str | None
    cores: int | str
    memory: int | str | Mapping[str, int | str | None] | None
    disk: int | str | None
    gpus: int | str | None
    resources_mode: ResourcesMode
    treereduction: int | str
    column_cache: str
    resource_monitor: str
    stall_time: float | str
    only: str | Sequence[str]
    skip: str | Sequence[str]
    select: str | Sequence[str]
    limit_files: int | str | Mapping[str, int | str | None] | None
    limit_chunks: int | str | Mapping[str, int | str | None] | None
    test: bool
    probe: int | str | None
    skip_bad_files: bool
    max_failed: float | str
    output: str | Path | None
    fresh: bool
    accept_stale: bool
    keep_results: int
    outputs: str
    pkl_gz: bool
    stage_out: str | None
    naming: str
    drain_time: float | str
    http: int | bool | None
    loglevel: str
