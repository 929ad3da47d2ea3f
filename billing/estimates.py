"""Rating without a contract, by the very functions that bill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.counting import Counted, Counting
from billing.metered import Index, Metered, Piece
from billing.metering.aggregations.protocol import Aggregation
from billing.metering.reported import usage_of_events
from billing.metering.slots import Event, SlotRequest
from billing.modifiers import NONE
from billing.price import Price
from billing.proration import WHOLE, Share
from billing.rating import AMOUNT_MOST, line_amount, shown
from core.errors import Invalid, Refused
from core.period import Period

NOBODY = UUID(int=0)


@dataclass(frozen=True)
class Reported:
    """The events of a line and how they are counted. `span` is None for no events and no span."""

    aggregation: Aggregation
    events: Sequence[Event]
    span: Period | None
    time_zone: str


@dataclass(frozen=True)
class EstimateLine:
    """One line to rate: a price, a bare quantity or what was reported, and the part of a full span that it is for."""

    price: Price
    piece: Piece | None
    reported: Reported | None
    part: Share

    @property
    def is_usage(self) -> bool:
        """Whether it is rated as a usage price is; else as a recurring one, whose amount is prorated."""
        needs = self.price.needs
        return self.reported is not None or self.price.modifiers != NONE or needs.prorated or not needs.plain

    @property
    def is_level(self) -> bool:
        """Whether what was reported is a level, whose amount is prorated too."""
        return self.reported is not None and self.reported.aggregation.level


@dataclass(frozen=True)
class RatedLine:
    """A rated line: `amount` in minor units, `exact` as it is shown.

    `quantity`, `unit`, `flags` and `notes` where it was aggregated.
    """

    amount: int
    exact: str
    parts: Sequence[Mapping[str, Any]]
    steps: Sequence[Mapping[str, str]]
    quantity: Decimal | None = None
    unit: str | None = None
    flags: Sequence[str] | None = None
    notes: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Estimate:
    """What an estimate answers; `subtotal_amount` adds the rounded lines."""

    currency: str
    subtotal_amount: int
    lines: Sequence[RatedLine]


def indexed_spans(lines: Sequence[EstimateLine]) -> Mapping[str, Sequence[Period]]:
    """By code of an index, the spans whose slots the lines need."""
    found: dict[str, list[Period]] = {}
    for line in lines:
        if line.price.needs.index is not None and line.reported is not None:
            spans = found.setdefault(line.price.needs.index, [])
            if line.reported.span is not None:
                spans.append(line.reported.span)
    return found


def estimate(currency: str, lines: Sequence[EstimateLine], indexes: Mapping[str, Index]) -> Estimate:
    """Rate lines.

    Raises:
        Invalid: a line has no amount (`quantity_negative`, `amount_out_of_range`, a model's or an aggregation's own
            codes), or follows an index that is not there (`index_unknown`).
    """
    rated = [_rated(currency, line, f"/lines/{i}", indexes) for i, line in enumerate(lines)]
    subtotal = sum(line.amount for line in rated)
    if abs(subtotal) > AMOUNT_MOST:
        raise Invalid("amount_out_of_range", "The sum of the lines is too large.", "/lines")
    return Estimate(currency, subtotal, rated)


def _rated(currency: str, line: EstimateLine, pointer: str, indexes: Mapping[str, Index]) -> RatedLine:
    counted = _counted(line, pointer, indexes)
    try:
        rating = line.price.rate(counted.metered)
        exact = rating.total if line.is_usage and not line.is_level else line.part.of(rating.total)
        amount = line_amount(exact, currency)
    except Refused as refused:
        raise Invalid(refused.code, refused.detail, pointer) from None
    parts = [part.as_json() for part in rating.parts]
    if line.reported is None:
        return RatedLine(amount.minor, shown(exact), parts, rating.steps)
    return RatedLine(
        amount.minor,
        shown(exact),
        parts,
        rating.steps,
        counted.metered.total,
        line.reported.aggregation.unit,
        counted.flags,
        counted.notes,
    )


def _counted(line: EstimateLine, pointer: str, indexes: Mapping[str, Index]) -> Counted:
    """What is to be priced. Included quantity, commitment, minimum and maximum of usage scale with the part."""
    share = line.part if line.is_usage and not line.is_level else WHOLE
    if line.reported is None:
        return Counted(Metered((line.piece,) if line.piece is not None else (), share=share))
    reported = line.reported
    counting = Counting(line.price.needs, reported.aggregation, reported.time_zone, indexes)
    code = line.price.needs.index
    if code is not None and code not in indexes:
        raise Invalid("index_unknown", f"There is no price index {code}.", f"{pointer}/price/index")
    try:
        if reported.span is None:  # no events
            reported.aggregation.reduce(())
            return Counted(Metered(share=share))
        used = usage_of_events(_request(counting, reported.span), reported.events)
        return counting.metered(used, reported.span, share)
    except Refused as refused:
        raise Invalid(refused.code, refused.detail, f"{pointer}/events") from None


def _request(counting: Counting, span: Period) -> SlotRequest:
    edges = counting.edges(span)
    return counting.request(edges, item_id=NOBODY, subscription_id=NOBODY, meter_id=NOBODY, unit="")
