"""Tables of states: what is not in a table is refused, what is in it can be reached, and the picture is the table."""

from itertools import product
from pathlib import Path

import pytest

from billing.states import ALL, INVOICE, Machine
from billing.states.picture import page
from core.errors import IllegalTransition

MACHINES = pytest.mark.parametrize("machine", ALL, ids=lambda machine: machine.name)


@MACHINES
def test_every_step_that_is_not_in_the_table_is_refused(machine: Machine) -> None:
    missing = set(product(machine.states, (*machine.actions, "dance"))) - set(machine.table)
    for state, action in missing:
        with pytest.raises(IllegalTransition) as refusal:
            machine.apply(state, action)
        assert (refusal.value.state, refusal.value.action) == (state, action)
        assert not machine.allows(state, action)


@MACHINES
def test_every_step_of_the_table_leads_where_it_says(machine: Machine) -> None:
    for (state, action), after in machine.table.items():
        assert machine.allows(state, action)
        assert machine.apply(state, action) == after


@MACHINES
def test_every_state_can_be_reached_from_the_first(machine: Machine) -> None:
    reached, frontier = {machine.initial}, {machine.initial}
    while frontier:
        frontier = {after for (before, _), after in machine.table.items() if before in frontier} - reached
        reached |= frontier
    assert reached == set(machine.states)


def test_a_table_cannot_be_changed_once_made() -> None:
    with pytest.raises(TypeError):
        INVOICE.table[("void", "settle")] = "paid"  # type: ignore[index]


def test_an_unknown_state_is_refused_and_not_guessed() -> None:
    with pytest.raises(IllegalTransition, match="This invoice is lost and cannot settle"):
        INVOICE.apply("lost", "settle")


def test_a_discarded_draft_and_a_void_invoice_are_over() -> None:
    assert set(INVOICE.final) == {"discarded", "void"}


def test_the_picture_in_the_documentation_is_drawn_from_the_tables() -> None:
    assert (Path(__file__).parents[2] / "docs" / "states.md").read_text() == page()
