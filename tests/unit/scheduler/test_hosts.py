"""Which hosts are left alone: decided from what came from each, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wq_runner.scheduler.hosts import AT_ONCE, IF_OTHERS_CAN, Block, Hosts, HostSettings, Unblock
from wq_runner.scheduler.policy import Cause


@pytest.fixture
def hosts() -> Hosts:
    return Hosts(HostSettings(strikes=3, block_time=600))


def fail(hosts: Hosts, host: str, cause: Cause, times: int = 3) -> None:
    for number in range(times):
        hosts.failed(host, cause, [number])


def blocked(hosts: Hosts, now: float = 0.0) -> list[str]:
    return [one.host for one in hosts.decide(now) if isinstance(one, Block)]


def others_do_what_it_failed(hosts: Hosts) -> None:
    fail(hosts, "bad", Cause.INPUT)
    for number in range(3):
        hosts.done("good", [number])


def it_breaks_everything(hosts: Hosts) -> None:
    hosts.done("good", ["anything"])
    fail(hosts, "bad", Cause.ENVIRONMENT)


def it_did_well_before(hosts: Hosts) -> None:
    hosts.done("bad", ["anything"])
    it_breaks_everything(hosts)


def it_is_the_only_one(hosts: Hosts) -> None:
    fail(hosts, "bad", Cause.ENVIRONMENT, times=20)


def the_other_one_fails_as_well(hosts: Hosts) -> None:
    hosts.done("good", ["anything"])
    fail(hosts, "good", Cause.ENVIRONMENT)
    fail(hosts, "bad", Cause.ENVIRONMENT)


def it_works_now_and_then(hosts: Hosts) -> None:
    hosts.done("good", ["anything"])
    for _ in range(5):
        fail(hosts, "bad", Cause.ENVIRONMENT, times=2)
        hosts.done("bad", ["another"])


def nobody_did_what_it_failed(hosts: Hosts) -> None:
    hosts.done("good", ["anything"])
    fail(hosts, "bad", Cause.PROCESSOR, times=20)


def it_did_in_the_end_what_it_failed(hosts: Hosts) -> None:
    hosts.done("good", ["anything"])
    for number in range(20):
        hosts.failed("bad", Cause.CRASHED, [number])
        hosts.done("bad", [number])


def there_was_not_enough_memory(hosts: Hosts) -> None:
    fail(hosts, "bad", Cause.EXHAUSTED)
    for number in range(3):
        hosts.done("good", [number])


def the_host_is_not_known(hosts: Hosts) -> None:
    hosts.done("good", ["anything"])
    fail(hosts, "", Cause.LOST)


@pytest.mark.parametrize("happens", [others_do_what_it_failed, it_breaks_everything, it_did_well_before])
def test_blocked(hosts: Hosts, happens: Callable[[Hosts], None]) -> None:
    happens(hosts)
    assert blocked(hosts) == ["bad"]
    assert blocked(hosts) == [], "once"


@pytest.mark.parametrize(
    "happens",
    [
        it_is_the_only_one,
        the_other_one_fails_as_well,
        it_works_now_and_then,
        nobody_did_what_it_failed,
        it_did_in_the_end_what_it_failed,
        there_was_not_enough_memory,
        the_host_is_not_known,
    ],
)
def test_not_blocked(hosts: Hosts, happens: Callable[[Hosts], None]) -> None:
    happens(hosts)
    assert blocked(hosts) == []


def test_a_block_ends_and_comes_back_at_the_next_failure(hosts: Hosts) -> None:
    it_breaks_everything(hosts)
    (block,) = hosts.decide(100)
    assert block == Block(
        host="bad", reason="3 attempts in a row failed there (broken environment)", seconds=600
    )
    assert hosts.decide(699) == []
    assert hosts.decide(700) == [Unblock(host="bad")]
    fail(hosts, "bad", Cause.ENVIRONMENT, times=1)
    assert blocked(hosts, 701) == ["bad"]


def test_a_host_that_takes_all_tasks_steps_aside_so_that_others_can_show_what_they_do(hosts: Hosts) -> None:
    it_is_the_only_one(hosts)
    (block,) = hosts.decide(0.0, others=True)
    assert isinstance(block, Block)
    assert (block.host, block.seconds) == ("bad", 10)
    hosts.done("good", ["anything"])
    assert hosts.decide(10.0, others=True) == [Unblock(host="bad")]
    fail(hosts, "bad", Cause.ENVIRONMENT, times=1)
    (block,) = hosts.decide(11.0, others=True)
    assert isinstance(block, Block)
    assert block.seconds == 600


def test_the_last_sound_host_is_never_blocked(hosts: Hosts) -> None:
    it_breaks_everything(hosts)
    assert blocked(hosts) == ["bad"]
    fail(hosts, "good", Cause.ENVIRONMENT)
    assert blocked(hosts) == []


def test_every_cause_has_a_place() -> None:
    of_the_chunk = {Cause.EXHAUSTED, Cause.DEADLY}
    assert AT_ONCE | IF_OTHERS_CAN | of_the_chunk == set(Cause)
