"""Conditions over sets that may be large: one bound array, where `IN` would bind each value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, any_, bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute


def among(column: InstrumentedAttribute[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """The condition that a column's value is one of these; none of them is, when there are none."""
    return column == any_(bindparam(None, list(values), type_=ARRAY(column.type), unique=True))
