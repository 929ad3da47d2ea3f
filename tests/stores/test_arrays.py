"""What is packed in bulk arrives as it was, with and without nulls among it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from stores.statements import run
from tests.conftest import Open

NOON = datetime(2026, 3, 29, 12, 30, 1, 7, tzinfo=UTC)
VALUES: dict[str, list[Any]] = {
    "uuid": [UUID(int=0), UUID(int=2**128 - 1), UUID("019b76da-a801-7001-8000-000000000001")],
    "text": ["", "é", "x" * 3000],
    "bytea": [b"", b"\x00\xff", b"x" * 3000],
    "timestamptz": [NOON, NOON - timedelta(days=40_000), NOON + timedelta(days=40_000)],
    "int4": [0, -1, 2**31 - 1],
    "int8": [0, -1, 2**63 - 1],
}


@pytest.mark.parametrize("kind", VALUES)
def test_an_array_arrives_as_it_was(open_unit: Open, kind: str) -> None:
    values = VALUES[kind]
    with open_unit() as ctx:
        for given in ([], values, [None], [None, *values, None]):
            told = run(ctx.session, f"SELECT %(values)b::{kind}[]", {"values": given}).scalar_one()
            assert told == given
