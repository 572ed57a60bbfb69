"""Each guard of conftest.py bites."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import platformdirs
import pytest
import running


def test_no_other_machine() -> None:
    # an address that is reserved for documentation: nobody would answer if the guard did not bite
    with socket.socket() as sock, pytest.raises(AssertionError, match="may not connect"):
        sock.connect(("192.0.2.1", 80))
    with socket.socket() as sock, pytest.raises(AssertionError, match="may not connect"):
        sock.connect_ex(("192.0.2.1", 80))


def test_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as sock:
        sock.connect(server.getsockname())


def test_no_public_catalog() -> None:
    assert os.environ["CATALOG_HOST"] == "127.0.0.1"


def test_no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert platformdirs.user_cache_path().is_relative_to(tmp_path_factory.getbasetemp())


def test_no_sites_and_no_password_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert platformdirs.user_config_path().is_relative_to(tmp_path_factory.getbasetemp())
    assert not platformdirs.user_config_path("wq-runner").exists()


def test_settings_of_other_programs_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pip", "wq-runner"):
        (tmp_path / "user" / name).mkdir(parents=True)
    (tmp_path / "config").mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    found = running.others_settings(tmp_path / "config")
    assert [path.name for path in found.iterdir()] == ["pip"]


def test_no_settings_of_the_user() -> None:
    assert not [name for name in os.environ if name.startswith("WQ_RUNNER_")]


def test_processes_that_are_left_are_found() -> None:
    mark = os.environ[running.MARK]
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    try:
        running.until(lambda: process.pid in running.marked(mark))
    finally:
        process.kill()
        process.wait()
    assert process.pid not in running.marked(mark)


def test_no_port_is_given_to_two_tests_of_this_machine() -> None:
    port = running.free_port()
    ports = f"running._PORTS = iter(range({port}, {port + 100}))"
    code = f"import running; {ports}; print(running.free_port())"
    environ = {**os.environ, "PYTHONPATH": str(Path(running.__file__).parent)}
    other = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, check=True)
    assert int(other.stdout) > port


@pytest.mark.parametrize("name", ["running", "another"])
def test_what_is_called_as_a_module_of_the_tests_is_gone_with_its_test(name: str) -> None:
    """As the processor of a run in this process, which takes the place of another module."""
    assert sys.modules["running"] is running
    sys.modules[name] = ModuleType(name)


def test_no_two_files_of_tests_have_one_name() -> None:
    """pytest imports them by it: of two in one process, the second is not collected."""
    names = Counter(path.name for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert [name for name, number in names.items() if number > 1] == []
