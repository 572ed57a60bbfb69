"""Which release of the engine the tests run with, and which tests need another."""

from __future__ import annotations

import os
import sys

import ndcctools.work_queue as wq
import pytest

from wq_runner.engine.release import carries_foremen, release_of

RELEASE = release_of(wq)
CARRIES_FOREMEN = carries_foremen(RELEASE)
HAS_TLS = hasattr(wq, "work_queue_ssl_create")

needs_tls = pytest.mark.skipif(not HAS_TLS, reason=f"ndcctools {RELEASE} has no TLS")
# outside conda, `make setup` puts Debian's engine into the environment that runs the tests
makes_setup = pytest.mark.skipif(
    RELEASE.startswith("7.") and os.environ.get("CONDA_PREFIX") != sys.prefix,
    reason=f"ndcctools {RELEASE} is not of an active conda environment: make setup would replace it",
)
