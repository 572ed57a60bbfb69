"""Where the code that runs on workers comes from: a base that rarely changes, an overlay that always may."""

from __future__ import annotations

from wq_runner.environment.worker import WorkerEnvironment, shared

__all__ = ["WorkerEnvironment", "shared"]
