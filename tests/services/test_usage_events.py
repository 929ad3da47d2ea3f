"""Events on the real database: counted once, by whoever and however often they are delivered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import update

from billing.metering.slots import Part, SlotRequest, Usage
from core.ids import encode
from models import providers
from services import usage
from services.context import Context
from services.usage_sent import SentEvent
from stores.usage import slots_many
from tests.builders.metering import Metered, a_metered_point, an_event, send
from tests.conftest import Open

DAY = datetime(2026, 1, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVERYTHING = frozenset(Part) - {Part.INTEGRAL}


def usage_of(ctx: Context, metered: Metered, *edges: datetime) -> Usage:
    request = SlotRequest(
        metered.item,
        metered.subscription.id,
        metered.plan.meter_id,
        "kWh",
        edges or (DAY, DAY + 24 * HOUR),
        EVERYTHING,
    )
    return slots_many(ctx.session, ctx.provider.id, [request], now=ctx.now)[request]


def test_events_add_up_by_slot_whatever_edges_the_slots_have(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    minutes = [0, 5, 59, 60, 61, 119, 120, 305]
    receipt = send(ctx, (an_event(metered, f"e{m}", DAY + timedelta(minutes=m), f"{m}.5") for m in minutes))
    assert (receipt.accepted, receipt.duplicates, receipt.rejected) == (8, 0, [])
    edges = [DAY, DAY + timedelta(minutes=5), DAY + HOUR, DAY + timedelta(minutes=119), DAY + 6 * HOUR]
    slots = usage_of(ctx, metered, *edges).slots
    assert [(s.count, s.sum) for s in slots] == [
        (1, Decimal("0.5")),
        (2, Decimal("65")),
        (2, Decimal("122")),
        (3, Decimal("545.5")),
    ]
    (day,) = usage_of(ctx, metered).slots
    assert (day.min, day.max, day.first, day.last) == (
        Decimal("0.5"),
        Decimal("305.5"),
        Decimal("0.5"),
        Decimal("305.5"),
    )
    assert day.quality.measured == day.sum == Decimal("733")


def test_an_event_delivered_again_is_a_duplicate_also_after_months(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    first = [an_event(metered, f"e{i}", DAY - timedelta(days=30 * i), "2") for i in range(12)]
    assert send(ctx, first).accepted == 12
    again = send(ctx, [*first, an_event(metered, "new", DAY, "1")])
    assert (again.accepted, again.duplicates, again.rejected) == (1, 12, [])
    assert usage_of(ctx, metered).slots[0].sum == 3


def test_the_same_id_with_other_content_is_refused(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    send(ctx, [an_event(metered, "e1", DAY, "2", properties={"region": "ams"})])
    others = [
        an_event(metered, "e1", DAY, "3", properties={"region": "ams"}),
        an_event(metered, "e1", DAY + HOUR, "2", properties={"region": "ams"}),
        an_event(metered, "e1", DAY, "2", properties={"region": "fra"}),
        an_event(metered, "e1", DAY, "2"),
    ]
    for other in others:
        receipt = send(ctx, [other])
        assert [(r.index, r.id, r.code) for r in receipt.rejected] == [(0, "e1", "event_id_reused")]
    assert usage_of(ctx, metered).slots[0].sum == 2


def test_the_same_content_written_differently_is_a_duplicate(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    send(ctx, [an_event(metered, "e1", DAY, "2")])
    same = an_event(metered, "e1", DAY.astimezone(), "2.00")
    assert send(ctx, [same]).duplicates == 1


def test_another_source_may_use_the_same_id(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    receipt = send(ctx, [an_event(metered, "e1", DAY, "2"), an_event(metered, "e1", DAY, "2", source="vm-7")])
    assert receipt.accepted == 2


def test_within_a_batch_a_repeat_is_a_duplicate_and_a_reuse_is_refused(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    receipt = send(ctx, [an_event(metered, "e1", DAY, q) for q in ("2", "2", "3")])
    assert (receipt.accepted, receipt.duplicates) == (1, 1)
    assert [(r.index, r.code) for r in receipt.rejected] == [(2, "event_id_reused")]


def test_a_repeat_in_a_large_batch_counts_once_and_the_rest_is_taken(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    many = [an_event(metered, f"e{i}", DAY + timedelta(minutes=i), "2") for i in range(400)]
    assert send(ctx, many[:250]).accepted == 250
    changed = an_event(metered, "e7", DAY, "3")
    receipt = send(ctx, [*many[8:], changed])
    assert (receipt.accepted, receipt.duplicates) == (150, 242)
    assert [(r.index, r.id, r.code) for r in receipt.rejected] == [(392, "e7", "event_id_reused")]
    assert usage_of(ctx, metered).slots[0].sum == 800


def test_events_of_several_requests_are_answered_as_if_they_had_come_one_by_one(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    send(ctx, [an_event(metered, "old", DAY, "1")])
    name = encode("subscription", metered.subscription.id)
    requests = [
        [an_event(metered, "e1", DAY, "2", properties={"dry": True}), an_event(metered, "e2", DAY, "1e3")],
        [an_event(metered, "e1", DAY.astimezone(), "2.0", properties={"dry": True})],
        [an_event(metered, "e3", DAY, "4"), an_event(metered, "e1", DAY, "2", properties={"dry": 1})],
        [an_event(metered, "old", DAY, "1"), an_event(metered, "old", DAY, "1")],
        [SentEvent("e4", name, "nothing", DAY, "1"), an_event(metered, "e2", DAY, "5")],
    ]
    receipts = usage.take_events_together(ctx, [list(enumerate(events)) for events in requests])
    assert [(r.accepted, r.duplicates, [(x.index, x.id, x.code) for x in r.rejected]) for r in receipts] == [
        (1, 0, [(1, "e2", "decimal_malformed")]),
        (0, 1, []),
        (1, 0, [(1, "e1", "event_id_reused")]),
        (0, 2, []),
        (1, 0, [(0, "e4", "meter_unknown")]),
    ]
    assert usage_of(ctx, metered).slots[0].sum == 1 + 2 + 4 + 5


def test_what_cannot_be_taken_is_refused_by_its_index_and_the_rest_counts(ctx: Context) -> None:
    metered = a_metered_point(ctx)
    meter = encode("meter", metered.plan.meter_id)
    receipt = send(
        ctx,
        [
            an_event(metered, "ok", DAY, "1"),
            SentEvent("s", "sub_00000000000000000000000000", meter, DAY, "1"),
            SentEvent("s2", "nobody", meter, DAY, "1"),
            SentEvent("m", encode("subscription", metered.subscription.id), "nothing", DAY, "1"),
            an_event(metered, "old", ctx.now - timedelta(days=401), "1"),
            an_event(metered, "future", ctx.now + timedelta(days=32), "1"),
            an_event(metered, "float", DAY, "1e3"),
            an_event(metered, "ok2", DAY, "-0.5"),
        ],
    )
    assert receipt.accepted == 2
    assert [(r.index, r.code) for r in receipt.rejected] == [
        (1, "subscription_unknown"),
        (2, "subscription_unknown"),
        (3, "meter_unknown"),
        (4, "too_late"),
        (5, "ahead_of_clock"),
        (6, "decimal_malformed"),
    ]
    assert usage_of(ctx, metered).slots[0].sum == Decimal("0.5")


def test_another_tenants_subscription_does_not_exist(open_unit: Open, house: object) -> None:
    from tests.conftest import make_provider

    with open_unit() as ctx:
        mine = a_metered_point(ctx)
    with open_unit(make_provider(house)) as ctx:  # type: ignore[arg-type]
        receipt = send(ctx, [an_event(mine, "e1", DAY, "1")])
        assert [r.code for r in receipt.rejected] == ["subscription_unknown"]


def test_a_caller_of_one_account_sends_for_its_own_subscriptions_only(open_unit: Open) -> None:
    with open_unit() as ctx:
        mine, other = a_metered_point(ctx), a_metered_point(ctx)
        from models.subscriptions import Subscription

        owner = ctx.session.get(Subscription, (ctx.provider.id, mine.subscription.id))
        assert owner is not None
    with open_unit(scope=frozenset({owner.account_id})) as ctx:
        receipt = send(ctx, [an_event(mine, "e1", DAY, "1"), an_event(other, "e2", DAY, "1")])
        assert receipt.accepted == 1
        assert [(r.index, r.code) for r in receipt.rejected] == [(1, "subscription_unknown")]


def test_concurrent_copies_of_events_count_once(open_unit: Open) -> None:
    with open_unit() as ctx:
        metered = a_metered_point(ctx)
    events = [an_event(metered, f"e{i}", DAY + timedelta(minutes=i), "1") for i in range(300)]

    def deliver(part: list[SentEvent]) -> tuple[int, int]:
        with open_unit() as ctx:
            receipt = send(ctx, part)
            assert receipt.rejected == []
            return receipt.accepted, receipt.duplicates

    parts = [events, events[::-1], events[:150], events[150:], events, events[::3]]
    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(deliver, parts))
    assert sum(a for a, _ in told) == 300
    assert sum(d for _, d in told) == sum(map(len, parts)) - 300
    with open_unit() as ctx:
        assert usage_of(ctx, metered).slots[0].sum == 300


def test_a_rolled_back_batch_has_claimed_nothing(open_unit: Open) -> None:
    with open_unit() as ctx:
        metered = a_metered_point(ctx)
    try:
        with open_unit() as ctx:
            send(ctx, [an_event(metered, "e1", DAY, "1")])
            raise RuntimeError("the machine stops here")
    except RuntimeError:
        pass
    with open_unit() as ctx:
        assert send(ctx, [an_event(metered, "e1", DAY, "1")]).accepted == 1


def test_the_first_rows_of_a_month_may_come_from_many_at_once(open_unit: Open) -> None:
    with open_unit() as ctx:
        ctx.session.execute(update(providers.TestClock).values(now=datetime(2031, 5, 15, tzinfo=UTC)))
        metered = a_metered_point(ctx)
    month = datetime(2031, 5, 10, tzinfo=UTC)

    def deliver(number: int) -> int:
        with open_unit() as ctx:
            return send(ctx, [an_event(metered, f"e{number}", month, "1")]).accepted

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(deliver, range(24))) == 24
