"""When an agent looks for the next hour of a sandbox, against a sandbox made of two figures: no clock is waited for."""

from __future__ import annotations

import pytest

from agents.rhythm import LATEST_S, SOONEST_S, Rhythm

REPORTING_S = 0.04


def hours(
    rhythm: Rhythm, count: int, *, answer_s: float, moves_s: float, now: float = 100.0
) -> list[tuple[float, int]]:
    """Follow a sandbox that goes on so long after each report, and answers each look after so long.

    Returns:
        For each hour the seconds from being done to the answer that told of the next, and the looks it took.
    """
    followed = []
    for _ in range(count):
        rhythm.settled(now)
        done, goes_on, looks = now, now + answer_s / 2 + moves_s, 0
        while True:
            sent, now, looks = now, now + answer_s, looks + 1
            if sent + answer_s / 2 >= goes_on:
                break
            now += rhythm.pause_s(sent, now)
        rhythm.came(sent)
        followed.append((now - done, looks))
        now += REPORTING_S
    return followed


@pytest.mark.parametrize("answer_s", [0.005, 0.015, 0.045, 0.2])
@pytest.mark.parametrize("moves_s", [0.001, 0.02, 0.05, 0.15])
def test_an_hour_is_noticed_soon_after_it_has_come_however_slow_the_answers_are(
    answer_s: float, moves_s: float
) -> None:
    took = hours(Rhythm(100.0), 60, answer_s=answer_s, moves_s=moves_s)[20:]
    least = answer_s + moves_s + answer_s / 2
    mean = sum(seconds for seconds, _ in took) / len(took)
    assert mean < least + answer_s + 2 * SOONEST_S + moves_s / 5
    assert sum(looks for _, looks in took) / len(took) <= 2.5 + moves_s / SOONEST_S / 5


def test_a_stop_is_made_up_for_within_a_few_hours() -> None:
    """A device that did not answer, a start anew: what came late once says nothing of the next."""
    rhythm = Rhythm(0.0)
    hours(rhythm, 1, answer_s=0.01, moves_s=4.0)
    took = [seconds for seconds, _ in hours(rhythm, 8, answer_s=0.01, moves_s=0.02)]
    assert took[0] < LATEST_S + 0.05
    assert max(took[4:]) < 0.08
    assert all(seconds < 0.06 for seconds, _ in hours(Rhythm(100.0), 3, answer_s=0.01, moves_s=0.02))


def test_a_clock_that_stands_still_is_asked_less_and_less_often() -> None:
    rhythm, now, looks = Rhythm(0.0), 0.0, 0
    while now < 60:
        sent, now, looks = now, now + 0.005, looks + 1
        now += rhythm.pause_s(sent, now)
    assert looks < 60 / LATEST_S + 60
    assert rhythm.pause_s(now, now) == LATEST_S
