"""A state machine as a frozen table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from core.errors import IllegalTransition


class Machine:
    """`(state, action) -> state` for one kind of thing.

    Args:
        name: the kind in words for a person (`"invoice"`, `"dunning case"`).
        initial: the state in which one is made.
        table: every allowed step. States and actions are snake_case strings; a state is what the table stores.
    """

    __slots__ = ("initial", "name", "table")

    def __init__(self, name: str, initial: str, table: Mapping[tuple[str, str], str]) -> None:
        self.name = name
        self.initial = initial
        self.table: Mapping[tuple[str, str], str] = MappingProxyType(dict(table))

    def apply(self, state: str, action: str) -> str:
        """The state after an action.

        Raises:
            core.errors.IllegalTransition: the table has no such step.
        """
        after = self.table.get((state, action))
        if after is None:
            raise IllegalTransition(self.name, state, action)
        return after

    def allows(self, state: str, action: str) -> bool:
        """Whether the table has this step."""
        return (state, action) in self.table

    @property
    def states(self) -> tuple[str, ...]:
        """Every state, the initial one first, then in the order of the table."""
        seen = {self.initial: None}
        for (before, _), after in self.table.items():
            seen.setdefault(before)
            seen.setdefault(after)
        return tuple(seen)

    @property
    def actions(self) -> tuple[str, ...]:
        """Every action, in the order of the table."""
        return tuple(dict.fromkeys(action for _, action in self.table))

    @property
    def final(self) -> tuple[str, ...]:
        """The states that nothing leads out of."""
        leaving = {before for before, _ in self.table}
        return tuple(state for state in self.states if state not in leaving)
