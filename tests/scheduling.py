"""How the tests are divided among processes: a file at a time, in the order in which they are asked for.

pytest-xdist would begin with the files that have many tests, which are the quick ones, and end with those
whose few tests take minutes, while the other processes have nothing to do. Its own groups do nothing with
pytest 9.2 and pytest-xdist 3.8, without a word.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

ONE_ENVIRONMENT = frozenset({"test_environment.py", "test_packed_analyses.py", "test_unpacking.py"})
"""Files of tests that share a packed environment: each process would make one, which takes a minute."""


class InOrder(LoadFileScheduling):
    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "one environment" if file.rpartition("/")[2] in ONE_ENVIRONMENT else file


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> InOrder | None:
    return InOrder(config, log) if config.getoption("dist") == "loadfile" else None
