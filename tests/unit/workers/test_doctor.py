"""The doctor: from facts to what is wrong, one table."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from wq_runner.workers import doctor, notices
from wq_runner.workers.catalog import Advert
from wq_runner.workers.doctor import Facts
from wq_runner.workers.managers import Manager
from wq_runner.workers.proxy import Proxy

MANAGER = Manager(
    name="me", host="h.example", port=9123, pid=1, machine="h", started=0.0, directory="/run"
)  # fmt: skip
ADVERT = Advert(name="me", host="h.example", port=9123, workers=1, running=1)
FINE: dict[str, Any] = {
    "name": "me", "catalog": "c:9097", "adverts": (ADVERT,), "managers": (MANAGER,), "reachable": True,
    "release": "8.0.0", "free_disk": 10**12,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("fine", {}, "nothing is wrong"),
        (
            "catalog",
            {"catalog_error": "catalog c:9097 does not answer: refused", "adverts": ()},
            "work_queue_worker h.example 9123",
        ),
        ("name", {"name": "mee"}, "no manager has the name 'mee'. Nearest: me"),
        ("port", {"reachable": False}, "does not answer at h.example:9123: a firewall"),
        ("not told", {"adverts": ()}, "has not heard of me"),
        (
            "too small",
            {"adverts": (Advert(name="me", host="h", port=1, workers=2, waiting=5, task_cores=4),)},
            "A task asks for 4 cores",
        ),
        ("no or a wrong password", {"refusals": frozenset({"no or a wrong password"})}, "start them with -P"),
        ("another release", {"refusals": frozenset({"another release"})}, "both sides need the same"),
        ("engine", {"release": None}, "work_queue_worker is not installed"),
        ("disk", {"free_disk": 10**6}, "only 1.0 MB of disk"),
        ("proxy", {"proxy": Proxy(path=Path("/tmp/x"), expires=1.0)}, "has expired"),
        ("proxy", {"needs_proxy": True}, "no X509 proxy was found"),
        ("proxy", {"proxy": Proxy(path=Path("/tmp/x"), expires=time.time() + 600)}, "expires in"),
    ],
)
def test_each_reason_has_its_answer(kind: str, changes: dict[str, Any], said: str) -> None:
    found = [one for one in doctor.diagnose(Facts(**{**FINE, **changes})) if one.kind == kind]
    assert [one for one in found if said in one.text]


@pytest.mark.parametrize(
    ("line", "kind", "host"),
    [
        (
            "x notice: worker 10.0.0.1:42752 presented the wrong password",
            "no or a wrong password",
            "10.0.0.1",
        ),
        (
            "notice: worker (10.0.0.1:39002) is attempting to use a password, but I do not have one.",
            "a password that is not wanted",
            "10.0.0.1",
        ),
        (
            "worker (10.0.0.1:1) is using work queue protocol 11, but I am using protocol 9",
            "another release",
            "10.0.0.1",
        ),
        (
            "Warning: potential worker version mismatch: worker n1 (10.0.0.1:3) is version 7, and manager "
            "is version 8.0.0",
            "another version",
            "10.0.0.1",
        ),
    ],
)
def test_what_the_engine_says_is_understood(line: str, kind: str, host: str) -> None:
    found = notices.understood(line)
    assert found is not None
    assert (found.kind, found.host) == (kind, host)
    assert host in found.text


def test_each_host_is_named_once_and_half_a_line_waits(tmp_path: Path) -> None:
    log = tmp_path / "queue.log"
    reader = notices.Notices(log)
    assert reader.news() == []
    log.write_text(
        "worker 1.2.3.4:5 presented the wrong password\nworker 1.2.3.4:6 presented the wrong password\nwor"
    )
    assert [one.host for one in reader.news()] == ["1.2.3.4"]
    with log.open("a") as stream:
        stream.write("ker 5.6.7.8:6 presented the wrong password\n")
    assert [one.host for one in reader.news()] == ["5.6.7.8"]
    assert reader.news() == []
    assert reader.kinds == {"no or a wrong password"}
