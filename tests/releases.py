"""Which release of the engine the tests run with, and which tests need another."""

from __future__ import annotations

import ndcctools.work_queue as wq
import pytest

from wq_runner.engine.release import carries_foremen, release_of

RELEASE = release_of(wq)
CARRIES_FOREMEN = carries_foremen(RELEASE)
HAS_TLS = hasattr(wq, "work_queue_ssl_create")

needs_tls = pytest.mark.skipif(not HAS_TLS, reason=f"ndcctools {RELEASE} has no TLS")
