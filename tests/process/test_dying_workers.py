"""Workers whose program ends at once, each time it is started: the run ends, and says where to look."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import running
import workforce

from wq_runner.errors import EngineError
from wq_runner.workers import choice, sites
from wq_runner.workers.batch import SYSTEMS


# a site of one's own knows by itself how its workers do, and is asked again and again to replace them
@pytest.mark.parametrize("kind", [kind for kind in workforce.KINDS if kind != sites.PYTHON])
def test_the_error_names_the_kind_and_where_it_said_why(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = SYSTEMS.get(kind)
    (tmp_path / "bin").mkdir()
    commands = (batch.submit, batch.remove) if batch else ()
    for name in ("work_queue_worker", "work_queue_factory", "catalog_server", *commands):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\necho it is broken >&2\nexit 3\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    workers = choice.choose(workforce.wish(kind), tmp_path / "workers").workers
    assert workers is not None
    workers.prepare()
    try:
        workers.start(9123)
        said = running.until(lambda: ended(workers.keep_alive), "it is given up")
    finally:
        workers.stop()
    assert said.message.startswith((f"{kind} workers end", f"the {kind} factory ends"))
    assert "(exit code 3)" in said.message
    assert str(tmp_path / "workers") in said.hint
    logs = [path.read_text() for path in (tmp_path / "workers").glob("*.log")]
    assert any("it is broken" in text for text in logs)


def ended(look: Callable[[], None]) -> EngineError | None:
    try:
        look()
    except EngineError as error:
        return error
    return None
