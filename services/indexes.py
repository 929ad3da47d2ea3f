"""Price indexes: their values as they come in, and as rating sees them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, column, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from billing.index import MONTHS_BACK, IndexSeries, slot_start
from billing.index_values import SentValue, read_values
from billing.periods import add_months
from core.errors import FieldError, Invalid
from core.period import Period, rfc3339, utc
from models.indexes import IndexValue, PriceIndex
from services import audit, catalog, spending_news
from services.clock import system_now
from services.context import Context
from services.lookups import by_id
from services.paging import Slice, Window, in_order
from services.sets import among

VALUES_MAX = 40_000
ERRORS_MAX = 1_000
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Upload:
    """Values as the door read them.

    Args:
        unit, currency: what the sender believes the values to be in; None where nothing was said.
        rows: those that could be read.
        errors: of those that could not.
    """

    rows: Sequence[SentValue]
    unit: str | None = None
    currency: str | None = None
    errors: Sequence[FieldError] = ()


@dataclass(frozen=True)
class Stored:
    """What became of an upload: values that are new, that replaced another, that were known already."""

    added: int
    replaced: int
    unchanged: int


def create(ctx: Context, values: Mapping[str, Any]) -> PriceIndex:
    """Add an index.

    Args:
        values: `code`, `name`, `unit`, `currency`, `slot_minutes`; optional `external_id`, `meta`.

    Raises:
        Conflict: `code_taken`.
    """
    return catalog.add(ctx, PriceIndex, values)


def get(ctx: Context, index_id: UUID) -> PriceIndex:
    """One index."""
    return by_id(ctx, PriceIndex, "price_index", index_id)


def list_indexes(ctx: Context, window: Window, external_id: str | None = None) -> Slice[PriceIndex]:
    """Indexes, newest first."""
    return catalog.listed(ctx, PriceIndex, window, external_id)


def change(ctx: Context, index_id: UUID, values: Mapping[str, Any]) -> PriceIndex:
    """Change an index's name, external id or metadata; what its values mean stays."""
    return catalog.change(ctx, PriceIndex, index_id, values)


def add_values(ctx: Context, index_id: UUID, upload: Upload) -> Stored:
    """Take all values of an upload, or none. A value that differs from a known one replaces it, and the old one is
    kept beside it.

    Raises:
        Invalid: `index_unit_differs`, `index_currency_differs`, and those of `billing.index_values`, with a pointer
            for every row that is wrong (the first 1,000).
    """
    index = by_id(ctx, PriceIndex, "price_index", index_id, lock=True)
    errors = [*_other_terms(index, upload), *upload.errors]
    values = read_values(upload.rows, index.slot_minutes, errors)
    if errors:
        raise Invalid.collect(errors[:ERRORS_MAX])
    if not values:
        return Stored(0, 0, 0)
    stored = _store(ctx, index_id, [v.start for v in values], [v.value for v in values])
    first, last = min(v.start for v in values), max(v.start for v in values)
    told = {"added": stored.added, "replaced": stored.replaced, "first": rfc3339(first), "last": rfc3339(last)}
    audit.record(ctx, "price_index", index_id, "values_taken", None, told)
    spending_news.note_all(ctx, first)
    return stored


def _other_terms(index: PriceIndex, upload: Upload) -> Iterable[FieldError]:
    if upload.unit not in (None, index.unit):
        yield FieldError("/unit", "index_unit_differs", f"The values of this index are for one {index.unit}.")
    if upload.currency not in (None, index.currency):
        yield FieldError("/currency", "index_currency_differs", f"The values of this index are in {index.currency}.")


def _store(ctx: Context, index_id: UUID, starts: Sequence[datetime], values: Sequence[Decimal]) -> Stored:
    """Two statements however many values; the index's row is locked."""
    now = literal(system_now(), IndexValue.recorded_at.type)
    sent = (
        func.unnest(
            literal(list(starts), ARRAY(IndexValue.start_at.type)), literal(list(values), ARRAY(IndexValue.value.type))
        )
        .table_valued(column("start_at", IndexValue.start_at.type), column("value", IndexValue.value.type), name="sent")
        .render_derived()
    )
    known = and_(_of(ctx, index_id), IndexValue.start_at == sent.c.start_at, IndexValue.superseded_at.is_(None))
    replaced = ctx.session.execute(
        update(IndexValue)
        .where(known, IndexValue.value != sent.c.value)
        .values(superseded_at=func.greatest(now, IndexValue.recorded_at))
        .returning(IndexValue.start_at)
        .execution_options(synchronize_session=False)
    ).all()
    owner = literal(ctx.provider.id, IndexValue.provider_id.type), literal(index_id, IndexValue.index_id.type)
    fresh = select(*owner, sent.c.start_at, now, sent.c.value).where(~select(IndexValue.value).where(known).exists())
    columns = ["provider_id", "index_id", "start_at", "recorded_at", "value"]
    added = ctx.session.execute(insert(IndexValue).from_select(columns, fresh).returning(IndexValue.start_at)).all()
    return Stored(len(added) - len(replaced), len(replaced), len(starts) - len(added))


def _of(ctx: Context, index_id: UUID) -> ColumnElement[bool]:
    return and_(IndexValue.provider_id == ctx.provider.id, IndexValue.index_id == index_id)


@dataclass(frozen=True)
class ValueView:
    """The value of a slot. `superseded_at` is when another one replaced it; None of the one that holds."""

    start: datetime
    end: datetime
    value: Decimal
    recorded_at: datetime
    superseded_at: datetime | None


def list_values(
    ctx: Context,
    index_id: UUID,
    window: Window,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    history: bool = False,
) -> Slice[ValueView]:
    """Values in order of time: of slots that start at `start` or later and before `end`.

    Args:
        history: with those that were replaced.
    """
    step = timedelta(minutes=get(ctx, index_id).slot_minutes)
    statement = select(IndexValue).where(_of(ctx, index_id))
    if start is not None:
        statement = statement.where(IndexValue.start_at >= start)
    if end is not None:
        statement = statement.where(IndexValue.start_at < end)
    if not history:
        statement = statement.where(IndexValue.superseded_at.is_(None))
    found = in_order(ctx, statement, (IndexValue.start_at, IndexValue.recorded_at), window)
    return found.map(lambda v: ValueView(v.start_at, v.start_at + step, v.value, v.recorded_at, v.superseded_at))


def load(ctx: Context, spans: Mapping[str, Collection[Period]]) -> dict[str, IndexSeries]:
    """Indexes by code, with the values that rating spans needs: none, or three queries however many they are.

    Args:
        spans: by code; for slots in them that are not known, the months that an estimate is made from are loaded too.
    """
    if not spans:
        return {}
    indexes = ctx.session.scalars(
        select(PriceIndex).where(PriceIndex.provider_id == ctx.provider.id, among(PriceIndex.code, spans))
    ).all()
    needed = {index.id: whole for index in indexes if (whole := _whole(spans[index.code], index.slot_minutes))}
    known = _values(ctx, needed)
    found = {index.id: _series(index, known[index.id]) for index in indexes}
    gaps = {key: gap for key, series in found.items() if (gap := _before(series, spans[series.code]))}
    for key, rows in _values(ctx, gaps).items():
        known[key] += rows
    return {index.code: _series(index, known[index.id]) if index.id in gaps else found[index.id] for index in indexes}


def _whole(spans: Collection[Period], slot_minutes: int) -> Period | None:
    """From the first slot that any of the spans touches to the end of the last."""
    if not spans:
        return None
    return Period(slot_start(min(span.start for span in spans), slot_minutes), max(span.end for span in spans))


def _before(series: IndexSeries, spans: Collection[Period]) -> Period | None:
    """From where to where the values lie that unknown slots are estimated from; a day more for any zone."""
    missing = list(series.missing(spans))
    if not missing:
        return None
    first, last = min(missing).date().replace(day=1), max(missing).date().replace(day=1)
    edges = add_months(first, -MONTHS_BACK), add_months(last, 1)
    start, end = (datetime.combine(edge, time(), UTC) for edge in edges)
    return Period(start - DAY, end + DAY)


def _values(ctx: Context, ranges: Mapping[UUID, Period]) -> defaultdict[UUID, list[Any]]:
    """What is known of indexes, each in a range of its own."""
    found: defaultdict[UUID, list[Any]] = defaultdict(list)
    if not ranges:
        return found
    at = ARRAY(IndexValue.start_at.type)
    wanted = (
        func.unnest(
            literal(list(ranges), ARRAY(IndexValue.index_id.type)),
            literal([r.start for r in ranges.values()], at),
            literal([r.end for r in ranges.values()], at),
        )
        .table_valued("index_id", "first", "until", name="wanted")
        .render_derived()
    )
    rows = ctx.session.execute(
        select(IndexValue.index_id, IndexValue.start_at, IndexValue.value, IndexValue.recorded_at)
        .join(wanted, IndexValue.index_id == wanted.c.index_id)
        .where(
            IndexValue.provider_id == ctx.provider.id,
            IndexValue.superseded_at.is_(None),
            IndexValue.start_at >= wanted.c.first,
            IndexValue.start_at < wanted.c.until,
        )
    )
    for row in rows:
        found[row.index_id].append(row)
    return found


def _series(index: PriceIndex, rows: Sequence[Any]) -> IndexSeries:
    return IndexSeries(
        code=index.code,
        unit=index.unit,
        currency=index.currency,
        slot_minutes=index.slot_minutes,
        values={utc(row.start_at): row.value for row in rows},
        known_until=max((utc(row.recorded_at) for row in rows), default=None),
    )
