"""I6 and I7 attacked by plain SQL, as the application's role: the database holds them, whatever a program does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from core.ids import new_id
from runtime.house import House
from services.context import Context
from tests.builders.metering import Metered, a_metered_point, an_event, hourly, send, take
from tests.conftest import Open, make_provider

DAY = datetime(2026, 1, 10, tzinfo=UTC)
ASSIGN = """
INSERT INTO assignment (provider_id, id, point_id, item_id, span, metadata, created_at)
VALUES (:provider, :id, :point, :item, tstzrange(:start, :end), '{}', now())
"""


def assign(ctx: Context, metered: Metered, start: datetime | None, end: datetime | None) -> None:
    ids = {"provider": ctx.provider.id, "id": new_id(), "point": metered.point.id, "item": metered.item}
    ctx.session.execute(text(ASSIGN), ids | {"start": start, "end": end})


@pytest.fixture
def metered(open_unit: Open) -> Metered:
    """A point that counts for an item from January to the tenth, with two readings and an event."""
    with open_unit() as ctx:
        made = a_metered_point(ctx, end=DAY)
        take(ctx, *hourly(made.point, DAY, ["100", "101"]))
        send(ctx, [an_event(made, "e1", DAY, "1")])
    return made


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (DAY - timedelta(days=1), DAY + timedelta(days=1)),
        (DAY - timedelta(seconds=1), None),
        (None, None),
        (DAY - timedelta(days=2), DAY - timedelta(days=1)),
    ],
    ids=["across", "one second", "for ever", "within"],
)
def test_a_point_never_counts_twice_at_one_instant(
    open_unit: Open, metered: Metered, start: datetime | None, end: datetime | None
) -> None:
    with pytest.raises(IntegrityError, match=r"ex_assignment_point_span|ck_assignment_span"), open_unit() as ctx:
        assign(ctx, metered, start, end)


def test_a_point_may_count_for_another_from_the_very_end_on(open_unit: Open, metered: Metered) -> None:
    with open_unit() as ctx:
        assign(ctx, metered, DAY, None)
    with pytest.raises(IntegrityError, match="ex_assignment_point_span"), open_unit() as ctx:
        ctx.session.execute(
            text("UPDATE assignment SET span = tstzrange(lower(span), :later) WHERE upper(span) = :end"),
            {"later": DAY + timedelta(microseconds=1), "end": DAY},
        )


RAW = ("reading", "usage_event", "usage_event_identity")
REPEATS = {
    "reading": "INSERT INTO reading SELECT * FROM reading",
    "reading with another value": (
        "INSERT INTO reading (provider_id, register_id, at, value, received_at)"
        " SELECT provider_id, register_id, at, value + 1, received_at FROM reading"
    ),
    "identity of an event": "INSERT INTO usage_event_identity SELECT * FROM usage_event_identity",
    "event": "INSERT INTO usage_event SELECT * FROM usage_event",
    "interval": "INSERT INTO interval SELECT * FROM interval",
    "hour": "INSERT INTO register_hour SELECT * FROM register_hour",
}


@pytest.mark.parametrize("what", REPEATS)
def test_nothing_is_counted_twice(open_unit: Open, metered: Metered, what: str) -> None:
    with pytest.raises(IntegrityError, match="duplicate key"), open_unit() as ctx:
        ctx.session.execute(text(REPEATS[what]))


@pytest.mark.parametrize("table", RAW)
@pytest.mark.parametrize("change", ["UPDATE {} SET provider_id = provider_id", "DELETE FROM {}", "TRUNCATE {}"])
def test_what_was_read_never_changes(open_unit: Open, metered: Metered, table: str, change: str) -> None:
    with pytest.raises(DBAPIError, match=r"permission denied|never changed"), open_unit() as ctx:
        ctx.session.execute(text(change.format(table)))


FORGED = """
INSERT INTO reading (provider_id, register_id, at, value, received_at) VALUES (:provider, :register, :at, 1, now())
"""


def test_rows_of_another_tenant_are_neither_written_nor_read(open_unit: Open, house: House, metered: Metered) -> None:
    other = make_provider(house)
    row: dict[str, Any] = {"provider": metered.point.provider_id, "register": new_id(), "at": DAY}
    with pytest.raises(ProgrammingError, match="row-level security"), open_unit(other) as ctx:
        ctx.session.execute(text(FORGED), row)
    with open_unit(other) as ctx:
        for table in (*RAW, "interval", "register_hour", "event_hour", "register_day", "event_day"):
            assert ctx.session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0


def test_a_partition_cannot_be_read_around_its_parents_policy(open_unit: Open, metered: Metered) -> None:
    for table in ("reading_p_202601", "usage_event_p_202601"):
        with pytest.raises(ProgrammingError, match="permission denied"), open_unit() as ctx:
            ctx.session.execute(text(f"SELECT * FROM {table}"))


def test_only_months_of_the_two_bulk_tables_can_be_made(open_unit: Open) -> None:
    for bulk, month in (("invoice", "2026-01-01"), ("reading", "2026-01-02"), ("reading", "1999-12-01")):
        with pytest.raises(DBAPIError, match="no partition"), open_unit() as ctx:
            ctx.session.execute(text("SELECT busbar_partition(:bulk, :month)"), {"bulk": bulk, "month": month})


def test_the_energy_of_an_epoch_is_its_last_register_less_its_first(open_unit: Open, metered: Metered) -> None:
    """I6 as a query over everything stored, after a life with a swap and a fall."""
    with open_unit() as ctx:
        take(ctx, *hourly(metered.point, DAY + timedelta(hours=2), ["102.5", "7", "9.25"]))
        take(ctx, *hourly(metered.point, DAY + timedelta(hours=5), ["400", "401"], serial="ZB30"))
        assert epochs_that_do_not_add_up(ctx, metered.point.id) == []
        assert ctx.session.execute(text("SELECT count(*) FROM epoch")).scalar_one() == 3


def epochs_that_do_not_add_up(ctx: Context, point: UUID) -> list[Any]:
    query = """
        SELECT e.start_at, sum(coalesce(i.metered, i.quantity)) AS counted, max(r.value) - e.value AS shown
        FROM register g
        JOIN LATERAL (
          SELECT *, lead(start_at, 1, 'infinity') OVER (ORDER BY start_at) AS until FROM epoch WHERE register_id = g.id
        ) e ON true
        JOIN reading r ON r.register_id = g.id AND r.at >= e.start_at AND r.at < e.until
        LEFT JOIN interval i ON i.register_id = g.id AND i.start_at >= e.start_at AND i.end_at = r.at
          AND (i.quality = 'measured' OR i.step = 'spike')
        WHERE g.point_id = :point
        GROUP BY e.start_at, e.value
        HAVING coalesce(sum(coalesce(i.metered, i.quantity)), 0) <> max(r.value) - e.value
    """
    return list(ctx.session.execute(text(query), {"point": point}).all())
