"""The tables of states as a page of Mermaid diagrams."""

from __future__ import annotations

from billing.states import ALL
from billing.states.machine import Machine

HEADING = """# States

Each diagram is drawn from a table in `billing/states/` by `billing.states.picture.page()`; a test compares them.
A step that is not drawn is refused with `illegal_transition` (409 over HTTP).
"""


def diagram(machine: Machine) -> str:
    """One machine as a Mermaid state diagram, without the fence."""
    lines = ["stateDiagram-v2", f"    [*] --> {machine.initial}"]
    lines += [f"    {before} --> {after}: {action}" for (before, action), after in machine.table.items()]
    lines += [f"    {state} --> [*]" for state in machine.final]
    return "\n".join(lines)


def page() -> str:
    """The whole of `docs/states.md`."""
    sections = [f"## {machine.name.capitalize()}\n\n```mermaid\n{diagram(machine)}\n```\n" for machine in ALL]
    return "\n".join([HEADING, *sections])
