"""The script that is a worker, where its program starts, and where it does not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import loaders
import pytest

from wq_runner.errors import EngineError
from wq_runner.workers import kit, program

SYSTEM = "/usr/bin:/bin"
GOOD = b'#!/bin/sh\necho "worker ${0##*/} got $*"\n'
APPTAINER = '#!/bin/sh\necho "apptainer $1 $4" >>"${0%/*}/used"\nshift 4\nexec "$@"\n'


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """Return the directory of programs of a node that has no worker: links to what a script needs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "sed", "tr", "base64", "gzip", "mktemp", "chmod", "rm", "uname", "cat"):
        (found,) = [path for place in SYSTEM.split(":") if (path := Path(place, name)).exists()][:1]
        (programs / name).symlink_to(found)
    return programs


def put(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def started(node: Path, payload: bytes, **values: str) -> subprocess.CompletedProcess[str]:
    """Run the script of a worker as a job of the node does."""
    script = node.parent / "wq-worker.sh"
    script.write_text(kit.script(kit.Kit(managers="h.example:9123", **values), payload))
    environ = {"PATH": str(node), "TMPDIR": str(node.parent), "LC_ALL": "C"}
    command = [str(node / "sh"), str(script), "--cores=4"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)


def test_a_program_that_starts(node: Path) -> None:
    ended = started(node, GOOD, password="secret")
    assert "--parent-death" in ended.stdout
    assert ended.stdout.endswith("--cores=4 h.example:9123\n")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_the_loader_said_is_said_where_no_worker_is_installed(node: Path, tmp_path: Path) -> None:
    ended = started(node, loaders.make_broken(tmp_path / "broken").read_bytes())
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(kit.UNABLE)
    assert line.endswith(f", and none is installed there: work_queue_worker: {loaders.SAID}")
    assert not list(tmp_path.glob("wq-worker-*"))


def test_it_is_said_too_where_one_that_is_installed_is_taken(node: Path, tmp_path: Path) -> None:
    put(node / "work_queue_worker", GOOD.decode())
    ended = started(node, loaders.make_broken(tmp_path / "broken").read_bytes())
    assert ended.returncode == 0
    assert "worker work_queue_worker got --workdir=" in ended.stdout
    (line,) = ended.stderr.splitlines()
    assert line.endswith(f"so the one that is installed there is tried: work_queue_worker: {loaders.SAID}")


def test_whether_it_starts_is_asked_where_it_is_to_run(node: Path, tmp_path: Path) -> None:
    put(node / "apptainer", APPTAINER)
    ended = started(node, GOOD, image="/cvmfs/image")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (node / "used").read_text() == "apptainer exec /cvmfs/image\n" * 2


def test_an_image_that_cannot_be_had(node: Path) -> None:
    put(node / "apptainer", "#!/bin/sh\necho FATAL: no such image >&2\necho so it is >&2\nexit 255\n")
    ended = started(node, GOOD, image="/cvmfs/image")
    assert ended.returncode == 1
    assert ended.stderr.rstrip().endswith("none is installed there: FATAL: no such image so it is")


def test_of_the_program_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = loaders.make_broken(tmp_path / "broken")
    assert program.release()
    assert program.problem() == ""
    monkeypatch.setenv("PATH", f"{broken.parent}:{SYSTEM}")
    assert program.release() is None
    assert program.problem() == f"{broken} does not start: {loaders.SAID}"
    broken.write_bytes(b"\x7fELF of another machine")
    with pytest.raises(EngineError, match="does not start: Exec format error"):
        program.told(str(broken))
