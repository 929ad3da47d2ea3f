"""Stripe's form encoding: `metadata[attempt]=x`, `enabled_events[0]=y`, and what a handler may ask of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from standins.gateway.problems import invalid

_PART = re.compile(r"\[([^\[\]]*)\]")


def decode(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Nested dictionaries from flat names. A list stays a dictionary of its indexes until `strings` reads it."""
    root: dict[str, Any] = {}
    for name, value in pairs:
        head = name.split("[", 1)[0]
        path = [head, *_PART.findall(name)]
        node = root
        for step in path[:-1]:
            child = node.setdefault(step or str(len(node)), {})
            if not isinstance(child, dict):
                raise invalid(f"Invalid parameter: {name}", head, "parameter_invalid")
            node = child
        node[path[-1] or str(len(node))] = value
    return root


def _index(member: tuple[str, Any]) -> int:
    return int(member[0]) if member[0].isdecimal() else 0


class Params:
    """The parameters of one request. Reading them checks them; `only` refuses those nobody reads."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def only(self, names: Iterable[str]) -> None:
        for name in self.values:
            if name not in names:
                raise invalid(f"Received unknown parameter: {name}", name, "parameter_unknown")

    def text(self, name: str) -> str | None:
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise invalid(f"Invalid string: {name}", name, "parameter_invalid_string_blank")
        return value or None

    def needed(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise invalid(f"Missing required param: {name}.", name, "parameter_missing")
        return value

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(r"-?[0-9]{1,12}", value, re.ASCII):
            raise invalid(f"Invalid integer: {value}", name, "parameter_invalid_integer")
        return int(value)

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.text(name)
        if value is None:
            return default
        if value not in ("true", "false"):
            raise invalid(f"Invalid boolean: {value}", name)
        return value == "true"

    def group(self, name: str) -> Params:
        value = self.values.get(name) or {}
        if not isinstance(value, dict):
            raise invalid(f"Invalid hash: {name}", name, "parameter_invalid_empty")
        return Params(value)

    def strings(self, name: str) -> list[str]:
        return [str(v) for _, v in sorted(self.group(name).values.items(), key=_index)]

    def metadata(self) -> dict[str, str]:
        """Up to 50 keys of 40 characters with values of 500, as Stripe documents it."""
        values = self.group("metadata").values
        if len(values) > 50 or any(len(k) > 40 or len(str(v)) > 500 for k, v in values.items()):
            raise invalid("Metadata takes up to 50 keys of 40 characters and values of 500.", "metadata")
        return {k: str(v) for k, v in values.items()}
