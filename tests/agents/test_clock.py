"""The agent's time follows the server, not the machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from agents.clock import AgentClock

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)


@dataclass
class Machine:
    """A machine's two clocks, both ours to set."""

    wall: datetime = NOON
    monotonic_s: float = 1000.0

    def clock(self) -> AgentClock:
        return AgentClock(lambda: self.wall.timestamp(), lambda: self.monotonic_s)

    def passes(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.monotonic_s += seconds


def test_before_the_server_answers_the_machine_is_believed() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.passes(60)
    assert clock.now() == NOON + timedelta(seconds=60)


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_step_of_the_machines_clock_moves_no_reading(step: timedelta) -> None:
    machine = Machine()
    clock = machine.clock()
    clock.correct(NOON, 0)
    machine.wall += step
    machine.passes(10)
    assert clock.now() == NOON + timedelta(seconds=10)


def test_a_machine_that_is_seven_minutes_ahead_is_set_right() -> None:
    machine = Machine(wall=NOON + timedelta(seconds=420))
    clock = machine.clock()
    ahead = clock.correct(NOON, 0)
    assert ahead == timedelta(seconds=420)
    assert clock.now() == NOON


def test_the_networks_delay_is_not_taken_for_a_difference() -> None:
    machine = Machine()
    clock = machine.clock()
    clock.correct(NOON - timedelta(seconds=1), round_trip_s=0.5)
    assert clock.now() == NOON


def test_the_middle_of_the_round_trip_counts() -> None:
    machine = Machine(wall=NOON + timedelta(hours=1))
    clock = machine.clock()
    clock.correct(NOON, round_trip_s=4)
    assert clock.now() == NOON + timedelta(seconds=2)
