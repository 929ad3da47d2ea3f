"""An item as the engine sees it: prices, terms in force, and what was billed on it before. Frozen values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from billing.anchors import Chain, chain
from billing.metering.aggregations.protocol import Aggregation
from billing.metering.meters import parse_aggregation
from billing.periods import Cadence, Interval, cadence
from billing.price import Price, parse_price
from core.ids import encode
from core.period import Period

RECURRING, ONE_OFF, USAGE = "recurring", "one_off", "usage"
KINDS = (RECURRING, ONE_OFF, USAGE)
ADVANCE, ARREARS = "advance", "arrears"
ZERO = Decimal(0)
TIMINGS = (ADVANCE, ARREARS)


@dataclass(frozen=True)
class MeterTerms:
    """What is counted for a usage price, in which unit; `parameters` are the aggregation's own members."""

    meter_id: UUID
    code: str
    unit: str
    aggregation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def counted(self) -> Aggregation:
        """The aggregation, parsed once."""
        return parse_aggregation(self.aggregation, self.parameters, self.unit)

    @cached_property
    def as_json(self) -> Mapping[str, Any]:
        """The meter as a charge keeps it."""
        return {
            "id": encode("meter", self.meter_id),
            "code": self.code,
            "unit": self.unit,
            "aggregation": self.aggregation,
            **self.parameters,
        }


@dataclass(frozen=True)
class PriceTerms:
    """A price of a plan version, in the currency of a subscription.

    Args:
        version: of the plan, counted from 1. A charge that was put on one subscription alone has neither plan nor
            version.
        interval: None for a one-off.
        meter: for usage, else None.
        spec: the price as JSON, `{"model": …}`; it was checked when the plan was made.
        product_id: what it is the price of.
        plan_id, add_on: whose price it is, and whether that is an add-on, which outlives a change of the base plan.
        origin: what a price of one subscription alone was computed from, where it was: JSON values.
        corrected: whether it takes the place of one that was wrong; what was billed on that is adjusted.
        tax_inclusive: whether its amounts have their tax in them.
    """

    price_id: UUID
    version_id: UUID | None
    version: int | None
    charge_code: str
    kind: str
    interval: Interval | None
    timing: str
    proration: str
    currency: str
    spec: Mapping[str, Any]
    meter: MeterTerms | None = None
    product_id: UUID | None = None
    plan_id: UUID | None = None
    add_on: bool = False
    origin: Mapping[str, Any] | None = None
    corrected: bool = False
    tax_inclusive: bool = False

    def __hash__(self) -> int:
        return hash((self.price_id, self.currency))  # `spec` has none

    @cached_property
    def price(self) -> Price:
        """The price, parsed once."""
        return parse_price(self.spec)

    @cached_property
    def as_json(self) -> Mapping[str, Any]:
        """The whole of it, as a charge keeps it: the catalogue need not be asked to explain a charge."""
        return {
            "id": encode("price", self.price_id),
            "version_id": encode("plan_version", self.version_id) if self.version_id else None,
            "version": self.version,
            "charge_code": self.charge_code,
            "kind": self.kind,
            "interval": self.interval.as_json() if self.interval else None,
            "timing": self.timing,
            "proration": self.proration,
            "currency": self.currency,
            "spec": dict(self.spec),
            **({"origin": dict(self.origin)} if self.origin is not None else {}),
            **({"corrected": True} if self.corrected else {}),
            **({"tax_inclusive": True} if self.tax_inclusive else {}),
        }


@dataclass(frozen=True)
class AgreedTerm:
    """`[start, end)` in which a price, a quantity and a discount (per cent) hold; an end of None is open."""

    start: datetime
    end: datetime | None
    price: PriceTerms
    quantity: Decimal
    discount: Decimal = ZERO


@dataclass(frozen=True)
class Claim:
    """A held claim: this span of the item is billed.

    Args:
        price, quantity, discount: what it was billed on.
        net_amount: the sum of all its charges so far, credits and adjustments included, in minor units.
        reduced: what coupons took off them, in minor units: without, they would come to that much more.
        drawn: of a committed amount, how much usage has drawn from it so far, in minor units.
        credited: what credit notes gave back of its charges, in minor units, as they were priced.
        rated_at: when its first charge was stored, by the machine's clock; None where that is not known, and whatever
            is used must be looked at.
    """

    claim_id: UUID
    span: Period
    price: PriceTerms
    quantity: Decimal
    net_amount: int
    discount: Decimal = ZERO
    drawn: int = 0
    reduced: int = 0
    credited: int = 0
    rated_at: datetime | None = None


@dataclass(frozen=True)
class Item:
    """(subscription, charge code), with its timeline and its held claims.

    Args:
        anchor: `calendar` or `anniversary`.
        anchored_at: from where all spans of the subscription are counted: its start, or the end of its trial.
        time_zone: frozen on the subscription; its spans and days are those of this zone.
        usage_zone: of the place where it is metered; bands, demand windows and samples follow it. None where nothing
            is placed: then the subscription's.
        terms: in order of time, without overlap.
        claims: in any order.
        held: stretches in order of time that are billed besides, by claims that no correction can be of
            (`billing.untouched`).
        anchors: from where spans are counted anew, in order; first instants of local days.
    """

    item_id: UUID
    subscription_id: UUID
    charge_code: str
    anchor: str
    anchored_at: datetime
    time_zone: str
    terms: tuple[AgreedTerm, ...]
    claims: tuple[Claim, ...] = ()
    usage_zone: str | None = None
    anchors: tuple[datetime, ...] = ()
    held: tuple[Period, ...] = ()

    def cadence(self, price: PriceTerms) -> Cadence | Chain:
        """The spans of a price on this item."""
        assert price.interval is not None  # a one-off has no spans
        if self.anchors:
            return chain(price.interval, self.anchor, self.anchored_at, self.time_zone, self.anchors)
        return cadence(price.interval, self.anchor, self.anchored_at, self.time_zone)
