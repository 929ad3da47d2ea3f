"""Tables of what a line must cost, one file for each model and one for parts of spans. They are data: extend them.

A row is read as a line of an estimate, so it goes through the functions that bill. Columns beside those of a line:
`events` ("instant quantity name=value …; …"), `amounts` (events an hour apart), `used_from` and `used_to` (of a part),
`method` (of proration).
"""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.estimate_lines import read_lines
from billing.estimates import estimate
from billing.index import IndexSeries
from billing.metered import Index
from billing.pricing_model import models
from core.errors import FieldError, Invalid
from core.money import Money
from core.period import parse_instant, rfc3339

FOLDER = Path(__file__).parent / "tables"
FIRST = datetime(2026, 3, 1, tzinfo=UTC)


def rows() -> list[Any]:
    return [
        pytest.param(table, dict(zip(table["columns"], row, strict=True)), id=f"{file.stem}: {table['why']} {row}")
        for file in sorted(FOLDER.glob("*.toml"))
        for table in tomllib.loads(file.read_text(encoding="utf-8"))["table"]
        for row in table["rows"]
    ]


def an_event(text: str) -> dict[str, Any]:
    at, quantity, *properties = text.split()
    return {"at": at, "quantity": quantity, "properties": dict(each.split("=") for each in properties)}


def line_of(table: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """The line of an estimate that a row stands for."""
    members = ("price", "meter", "time_zone", "proration", "span")
    line: dict[str, Any] = {name: table[name] for name in members if name in table}
    line |= {name: row[name] for name in ("quantity", "event_count") if name in row}
    if "events" in row:
        line["events"] = [an_event(text) for text in row["events"].split(";") if text.strip()]
    if "amounts" in row:
        hours = enumerate(row["amounts"].split())
        line["events"] = [{"at": rfc3339(FIRST + timedelta(hours=i)), "quantity": amount} for i, amount in hours]
        line["meter"] = {"aggregation": "sum"}
    if "used_from" in row:
        used = {"start": row["used_from"], "end": row["used_to"]}
        method = {"method": row["method"]} if "method" in row else {}
        line["proration"] = {**table["proration"], **method, "used": used}
    return line


def indexes_of(table: dict[str, Any], currency: str) -> dict[str, Index]:
    if "index" not in table:
        return {}
    values = {parse_instant(at): Decimal(value) for at, value in table["index"]["values"]}
    code = table["price"]["index"]
    return {code: IndexSeries(code, "kWh", currency, table["index"]["slot_minutes"], values)}


def cost(table: dict[str, Any], row: dict[str, Any]) -> str:
    """What a row costs, in the major unit, or why it is refused."""
    currency = table.get("currency", "EUR")
    errors: list[FieldError] = []
    lines = read_lines([line_of(table, row)], "/lines", errors)
    if errors:
        return f"refused: {errors[0].code}"
    try:
        found = estimate(currency, lines, indexes_of(table, currency))
    except Invalid as refused:
        return f"refused: {refused.code}"
    return f"{Money(found.subtotal_amount, currency).major:f}"


@pytest.mark.parametrize(("table", "row"), rows())
def test_a_row_costs_what_it_says(table: dict[str, Any], row: dict[str, Any]) -> None:
    assert cost(table, row) == row["amount"]


def test_there_is_a_table_for_every_model_with_rows_enough() -> None:
    counted = {file.stem: 0 for file in FOLDER.glob("*.toml")}
    for parameters in rows():
        counted[parameters.id.split(":")[0]] += 1
    assert set(counted) == {*models(), "modifiers", "proration"}
    assert all(count >= 8 for count in counted.values())
