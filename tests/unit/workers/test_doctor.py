"""The doctor: from facts to what is wrong, one table."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wq_runner.workers import doctor, notices, ports
from wq_runner.workers.catalog import Advert
from wq_runner.workers.doctor import Facts, Now
from wq_runner.workers.managers import Manager
from wq_runner.workers.proxy import Proxy

MANAGER = Manager(
    name="me", host="h.example", port=9123, pid=1, machine="h", started=0.0, directory="/run"
)  # fmt: skip
ADVERT = Advert(name="me", host="h.example", port=9123, workers=1, running=1)
NONE = Now(workers=0, busy=0, joined=0, waiting=4, running=0)
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
            "work_queue_worker --cores 1 --memory 4000 --disk 8000 h.example 9123",
        ),
        ("name", {"name": "mee"}, "no manager has the name 'mee'. Nearest: me"),
        ("port", {"reachable": False}, "nobody listens at h.example:9123"),
        (
            "no workers",
            {"now": NONE},
            "none has come so far",
        ),
        ("no workers", {"now": replace(NONE, joined=2)}, "2 came and left"),
        (
            "workers",
            {"now": replace(NONE, workers=2, busy=1, running=1)},
            "1 of 2 workers are busy",
        ),
        (
            "too small",
            {"now": replace(NONE, workers=2, largest_cores=2, largest_memory=900)},
            "The largest has 2 cores and 900 MB of memory",
        ),
        ("not told", {"adverts": ()}, "has not heard of me"),
        (
            "no name",
            {"name": "", "catalog": None, "managers": (replace(MANAGER, name=""),), "adverts": ()},
            "(--catalog none), so workers are started by host and port: work_queue_worker --cores 1",
        ),
        (
            "too small",
            {"adverts": (Advert(name="me", host="h", port=1, workers=2, waiting=5, task_cores=4),)},
            "A task asks for 4 cores",
        ),
        ("no or a wrong password", {"refusals": frozenset({"no or a wrong password"})}, "start them with -P"),
        ("another release", {"refusals": frozenset({"another release"})}, "both sides need the same"),
        ("engine", {"release": None}, "work_queue_worker is not installed"),
        ("disk", {"free_disk": 2**20}, "only 1.0 MB of disk"),
        ("proxy", {"proxy": Proxy(path=Path("/tmp/x"), expires=1.0)}, "has expired"),
        ("proxy", {"needs_proxy": True}, "no X509 proxy was found"),
    ],
)
def test_each_reason_has_its_answer(kind: str, changes: dict[str, Any], said: str) -> None:
    found = [one for one in doctor.diagnose(Facts(**{**FINE, **changes})) if one.kind == kind]
    assert [one for one in found if said in one.text]


def test_a_proxy_that_expires_soon() -> None:
    facts = Facts(**{**FINE, "proxy": Proxy(path=Path("/tmp/x"), expires=time.time() + 600)})
    (found,) = [one for one in doctor.diagnose(facts) if one.kind == "proxy"]
    assert "expires in" in found.text


def test_what_a_run_says_of_itself_counts_and_not_what_the_catalog_heard_before() -> None:
    busy = Now(workers=2, busy=2, joined=2, waiting=4, running=2)
    old = Advert(name="me", host="h.example", port=9123, workers=0)
    facts = Facts(**{**FINE, "adverts": (old,), "now": busy, "refusals": frozenset({"another release"})})
    found = doctor.diagnose(facts)
    assert not [one for one in found if one.bad]  # what was refused once does not keep others from working
    assert {one.kind for one in found} == {"workers", "another release", "fine"}


def test_whether_somebody_listens_is_known_without_connecting() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        assert ports.listens("127.0.0.1", port) is False
        sock.listen()
        assert ports.listens("127.0.0.1", port) is True
        sock.settimeout(0)
        with pytest.raises(BlockingIOError):
            sock.accept()
        assert ports.listens("192.0.2.1", port) is None  # of another machine: RFC 5737
        assert ports.listens("no such name.", port) is None


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
            "rejecting worker (10.0.0.1:1) as it uses protocol 9. The manager is using protocol 11.",
            "another release",
            "10.0.0.1",
        ),
        (
            "worker (10.0.0.1:1) is an older worker that is not compatible with this manager.",
            "another release",
            "10.0.0.1",
        ),
        (
            "2026/11/29 08:00:00.00 work_queue_python[7] ssl: ssl accept failed from 10.0.0.1 port 33044",
            "no TLS",
            "10.0.0.1",
        ),
        (
            "notice: worker (10.0.0.1:1) is of a kind that I have never heard of.",
            "in the engine's words",
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
