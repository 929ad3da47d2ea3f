"""`matrix`: a price per unit for each combination of event properties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from billing.members import ZERO, Members
from billing.metered import Metered, Needs, Piece
from billing.pricing_model import DECIMAL_STRING, BadExample, BadUsage, Example, Part, PricingModel
from core.decimals import EXACT
from core.errors import FieldError, Refused

DIMENSIONS_MOST = 5
CELLS_MOST = 1000
PRICE = "unit_price"
_Values = tuple[str | None, ...]


@dataclass(frozen=True)
class Matrix:
    """Dimensions, the price of each known cell, and of any other; None where an unknown cell has no price."""

    dimensions: tuple[str, ...]
    cells: Mapping[tuple[str, ...], Decimal] = field(hash=False)
    otherwise: Decimal | None

    @cached_property
    def needs(self) -> Needs:
        """Usage by the dimensions."""
        return Needs(dimensions=self.dimensions, cells=tuple(self.cells), placed=self.otherwise is None)

    def rate(self, metered: Metered) -> list[Part]:
        """One part for each cell that was used, in the order of cells; all others together are `otherwise`.

        Raises:
            Refused: `no_cell`.
        """
        used: dict[_Values, Decimal] = {}
        for piece in metered.pieces:
            cell = self._cell(piece)
            used[cell] = EXACT.add(used.get(cell, ZERO), piece.quantity)
        return list(self._parts(used))

    def _cell(self, piece: Piece) -> _Values:
        """The values of a known cell; nothing for what belongs to none."""
        told = piece.properties or {}
        cell = tuple(told.get(name) for name in self.dimensions)
        if cell in self.cells:
            return cell
        if self.otherwise is None and piece.quantity:
            words = ", ".join(f"{n} {v or 'without a value'}" for n, v in zip(self.dimensions, cell, strict=True))
            raise Refused("no_cell", f"There is no price for usage of {words}.")
        return ()

    def _parts(self, used: Mapping[_Values, Decimal]) -> Iterator[Part]:
        for cell, unit_price in self.cells.items():
            if used.get(cell):
                told = {"cell": dict(zip(self.dimensions, cell, strict=True))}
                yield Part(EXACT.multiply(used[cell], unit_price), used[cell], unit_price, more=told)
        rest = used.get((), ZERO)
        if rest and self.otherwise is not None:
            yield Part(EXACT.multiply(rest, self.otherwise), rest, self.otherwise, more={"otherwise": True})


def parse(members: Members) -> Matrix:
    """Read the members.

    Codes of its own: `dimensions_expected`, `dimension_malformed`, `dimension_repeated`, `cells_expected`,
    `cell_repeated`.
    """
    dimensions = _dimensions(members)
    cells = dict(_cells(members, dimensions))
    otherwise = None
    if members.has("otherwise"):
        inner = members.child("otherwise")
        otherwise = inner.decimal(PRICE)
        inner.close()
    members.raw("otherwise")
    return Matrix(dimensions, cells, otherwise)


def _dimensions(members: Members) -> tuple[str, ...]:
    value = members.required("dimensions")
    if value is None:
        return ()
    if not isinstance(value, list) or not 0 < len(value) <= DIMENSIONS_MOST:
        members.refuse("dimensions", "dimensions_expected", f"This is a list of 1 to {DIMENSIONS_MOST} properties.")
        return ()
    found: list[str] = []
    for i, name in enumerate(value):
        pointer = f"{members.at('dimensions')}/{i}"
        if not isinstance(name, str) or not 0 < len(name) <= 100 or name == PRICE:
            detail = f"This is the name of an event property, and not {PRICE}."
            members.errors.append(FieldError(pointer, "dimension_malformed", detail))
        elif name in found:
            members.errors.append(FieldError(pointer, "dimension_repeated", f"{name} is there already."))
        else:
            found.append(name)
    return tuple(found)


def _cells(members: Members, dimensions: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Decimal]]:
    value = members.required("cells")
    if value is None:
        return
    if not isinstance(value, list) or not 0 < len(value) <= CELLS_MOST:
        members.refuse("cells", "cells_expected", f"This is a list of 1 to {CELLS_MOST} cells.")
        return
    seen: set[tuple[str, ...]] = set()
    for i, entry in enumerate(value):
        cell = Members(entry, f"{members.at('cells')}/{i}", members.errors)
        before = len(members.errors)
        values = tuple(cell.text(name) for name in dimensions)
        unit_price = cell.decimal(PRICE)
        if dimensions:
            cell.close()
        if values in seen and len(members.errors) == before:
            members.errors.append(FieldError(cell.pointer, "cell_repeated", "This cell has a price already."))
        seen.add(values)
        yield values, unit_price


def _used(*pieces: tuple[str, Mapping[str, str | None] | None]) -> Metered:
    return Metered(tuple(Piece(Decimal(quantity), properties=told) for quantity, told in pieces))


_AMS_L = {"region": "ams", "size": "l"}
_AMS_S = {"region": "ams", "size": "s"}
_FRA_L = {"region": "fra", "size": "l"}
_CELLS = [{**_AMS_L, "unit_price": "0.12"}, {**_FRA_L, "unit_price": "0.13"}]
_STRICT: dict[str, Any] = {"model": "matrix", "dimensions": ["region", "size"], "cells": _CELLS}
_PLAIN = {**_STRICT, "otherwise": {"unit_price": "0.15"}}

PLUGIN = PricingModel(
    name="matrix",
    summary="Each combination of event properties has a price per unit. Usage in no known cell is `otherwise`.",
    members={
        "dimensions": {
            "type": "array",
            "description": "Event properties by which usage is told apart.",
            "items": {"type": "string", "minLength": 1, "maxLength": 100},
            "minItems": 1,
            "maxItems": DIMENSIONS_MOST,
            "examples": [["region", "size"]],
        },
        "cells": {
            "type": "array",
            "description": "A value for each dimension, and the price per unit. Free quantities are used up in order.",
            "items": {
                "type": "object",
                "properties": {PRICE: DECIMAL_STRING},
                "required": [PRICE],
                "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 200},
            },
            "minItems": 1,
            "maxItems": CELLS_MOST,
            "examples": [_CELLS],
        },
        "otherwise": {
            "type": "object",
            "description": "Usage in no cell, and what was committed and not used; without it such usage is refused.",
            "properties": {PRICE: DECIMAL_STRING},
            "required": [PRICE],
            "additionalProperties": False,
        },
    },
    required=["dimensions", "cells"],
    parse=parse,
    examples=[
        Example(
            why="hours of two sizes in two regions",
            price=_PLAIN,
            quantity=None,
            metered=_used(("3", _FRA_L), ("10", _AMS_L), ("2", _AMS_S)),
            exact="1.89",
            parts=[
                {"quantity": "10", "unit_price": "0.12", "cell": _AMS_L, "exact": "1.2"},
                {"quantity": "3", "unit_price": "0.13", "cell": _FRA_L, "exact": "0.39"},
                {"quantity": "2", "unit_price": "0.15", "otherwise": True, "exact": "0.3"},
            ],
        ),
        Example(
            why="an event that lacks a property is in no cell",
            price=_PLAIN,
            quantity=None,
            metered=_used(("2", {"region": "ams", "size": None}), ("4", {"region": None, "size": None})),
            exact="0.9",
            parts=[{"quantity": "6", "unit_price": "0.15", "otherwise": True, "exact": "0.9"}],
        ),
        Example(
            why="known cells need no otherwise",
            price=_STRICT,
            quantity=None,
            metered=_used(("10", _AMS_L)),
            exact="1.2",
            parts=[{"quantity": "10", "unit_price": "0.12", "cell": _AMS_L, "exact": "1.2"}],
        ),
        Example(
            why="what is included is used up in the order of cells",
            price={**_PLAIN, "included": "11"},
            quantity=None,
            metered=_used(("2", _AMS_S), ("3", _FRA_L), ("10", _AMS_L)),
            exact="0.56",
            parts=[
                {"quantity": "2", "unit_price": "0.13", "cell": _FRA_L, "exact": "0.26"},
                {"quantity": "2", "unit_price": "0.15", "otherwise": True, "exact": "0.3"},
            ],
        ),
        Example(
            why="what was committed and not used is in no cell",
            price={**_PLAIN, "commitment": {"quantity": "12", "overage": _STRICT, "take_or_pay": True}},
            quantity=None,
            metered=_used(("10", _AMS_L)),
            exact="1.5",
            parts=[
                {"quantity": "10", "unit_price": "0.12", "cell": _AMS_L, "exact": "1.2"},
                {"quantity": "2", "unit_price": "0.15", "otherwise": True, "exact": "0.3"},
            ],
        ),
        Example(why="no usage", price=_PLAIN, quantity=None, metered=Metered(), exact="0", parts=[]),
    ],
    refusals=[
        BadExample("no dimensions", {"model": "matrix", "cells": _CELLS}, "member_required", "/dimensions"),
        BadExample("an empty list of them", {**_PLAIN, "dimensions": []}, "dimensions_expected", "/dimensions"),
        BadExample(
            "the same one twice", {**_PLAIN, "dimensions": ["region", "region"]}, "dimension_repeated", "/dimensions/1"
        ),
        BadExample("one that is no word", {**_PLAIN, "dimensions": [3]}, "dimension_malformed", "/dimensions/0"),
        BadExample(
            "one that is the price's own member",
            {**_PLAIN, "dimensions": ["region", "unit_price"]},
            "dimension_malformed",
            "/dimensions/1",
        ),
        BadExample("no cells", {"model": "matrix", "dimensions": ["region"]}, "member_required", "/cells"),
        BadExample("an empty list of cells", {**_PLAIN, "cells": []}, "cells_expected", "/cells"),
        BadExample(
            "a cell without a value for each dimension",
            {**_PLAIN, "cells": [{"region": "ams", "unit_price": "1"}]},
            "member_required",
            "/cells/0/size",
        ),
        BadExample("a cell without a price", {**_PLAIN, "cells": [_AMS_L]}, "member_required", "/cells/0/unit_price"),
        BadExample(
            "a value that is no word",
            {**_PLAIN, "cells": [{"region": "ams", "size": 4, "unit_price": "1"}]},
            "string_expected",
            "/cells/0/size",
        ),
        BadExample(
            "a property that is no dimension",
            {**_PLAIN, "cells": [{**_AMS_L, "colour": "red", "unit_price": "1"}]},
            "member_unknown",
            "/cells/0/colour",
        ),
        BadExample(
            "the same cell twice",
            {**_PLAIN, "cells": [*_CELLS, {**_AMS_L, "unit_price": "9"}]},
            "cell_repeated",
            "/cells/2",
        ),
        BadExample(
            "take-or-pay where no cell is of what was not used",
            {**_STRICT, "commitment": {"quantity": "1", "overage": _STRICT, "take_or_pay": True}},
            "otherwise_required",
            "/otherwise",
        ),
    ],
    no_price=[
        BadUsage("an unknown cell without otherwise", _STRICT, _used(("1", _AMS_L), ("1", _AMS_S)), "no_cell"),
        BadUsage("a property without a value", _STRICT, _used(("1", {"region": "ams", "size": None})), "no_cell"),
    ],
)
