"""When the queue's process is taken for hanging."""

from __future__ import annotations

from wq_runner.engine.silence import MOMENT, Silence

NOTHING = (1.0, 100)


def test_it_lasts_while_nothing_is_done_and_somebody_listens() -> None:
    silence = Silence()
    assert [silence.goes_on(now, NOTHING) for now in (10.0, 11.0, 12.5)] == [0.0, 1.0, 2.5]


def test_a_word_or_any_progress_breaks_it() -> None:
    silence = Silence()
    for now in (0.0, 1.0, 2.0):
        silence.goes_on(now, NOTHING)
    assert silence.goes_on(3.0, (1.0, 101)) == 0.0, "a file is moved to a slow worker"
    assert silence.goes_on(4.0, (1.0, 101)) == 1.0
    silence.broken()
    assert silence.goes_on(5.0, (1.0, 101)) == 1.0


def test_what_nobody_heard_as_all_were_stopped_together_does_not_count() -> None:
    silence = Silence()
    silence.goes_on(0.0, NOTHING)
    assert silence.goes_on(3600.0, NOTHING) == MOMENT
