"""`time_of_use`: a price per unit for each band of hours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from billing.bands import OTHERWISE, Bands
from billing.bands_read import BAND_SCHEMA, BANDS_MOST, HOLIDAYS_SCHEMA, read_bands
from billing.members import ZERO, Members
from billing.metered import Metered, Needs, Piece
from billing.pricing_model import DECIMAL_STRING, BadExample, BadUsage, Example, Part, PricingModel
from core.decimals import EXACT
from core.errors import Refused
from core.period import Period, parse_instant


@dataclass(frozen=True)
class Otherwise:
    """What holds where no band does."""

    name: str
    unit_price: Decimal


@dataclass(frozen=True)
class TimeOfUse:
    """Bands, and what holds outside them; None where they leave no instant out."""

    bands: Bands
    otherwise: Otherwise | None

    @property
    def needs(self) -> Needs:
        """Usage cut where another band begins."""
        return Needs(cuts=(self.bands,), placed=self.otherwise is None)

    def rate(self, metered: Metered) -> list[Part]:
        """One part for each band that was used, in the order of bands; what was not used at any time is `otherwise`.

        Raises:
            Refused: `no_band`.
        """
        used: dict[int, Decimal] = {}
        for piece in metered.pieces:
            band = OTHERWISE if piece.period is None else self.bands.key(piece.period.start, metered.time_zone)
            used[band] = EXACT.add(used.get(band, ZERO), piece.quantity)
        return list(self._parts(used))

    def _parts(self, used: Mapping[int, Decimal]) -> Iterator[Part]:
        for position in (*range(len(self.bands.bands)), OTHERWISE):
            quantity = used.get(position, ZERO)
            if quantity.is_zero():
                continue
            band = self.otherwise if position == OTHERWISE else self.bands.bands[position]
            if band is None:
                raise Refused("no_band", "There is no price for a quantity without a time.")
            exact = EXACT.multiply(quantity, band.unit_price)
            yield Part(exact, quantity, band.unit_price, more={"band": band.name})


def parse(members: Members) -> TimeOfUse:
    """Read the bands and `otherwise`. Code of its own: `otherwise_required`."""
    before = len(members.errors)
    bands = read_bands(members)
    otherwise = _otherwise(members)
    if otherwise is None and len(members.errors) == before and bands.gap():
        members.refuse("otherwise", "otherwise_required", "The bands leave hours out; say what holds then.")
    return TimeOfUse(bands, otherwise)


def _otherwise(members: Members) -> Otherwise | None:
    if not members.has("otherwise"):
        members.raw("otherwise")
        return None
    inner = members.child("otherwise")
    found = Otherwise(inner.text("name", default="otherwise"), inner.decimal("unit_price"))
    inner.close()
    return found


def _used(*pieces: tuple[str, str, str], time_zone: str = "UTC") -> Metered:
    """(quantity, from, to) in RFC 3339."""
    return Metered(
        tuple(Piece(Decimal(q), Period(parse_instant(start), parse_instant(end))) for q, start, end in pieces),
        time_zone=time_zone,
    )


def _hours(day: str, hours: int, quantity: str = "1") -> Metered:
    """The same quantity in each of so many hours, counted from an instant."""
    start, hour = parse_instant(day), timedelta(hours=1)
    return Metered(
        tuple(Piece(Decimal(quantity), Period(start + i * hour, start + (i + 1) * hour)) for i in range(hours))
    )


_WEEK = ["mon", "tue", "wed", "thu", "fri"]
_PEAK: dict[str, Any] = {"name": "peak", "days": _WEEK, "from": "07:00", "to": "23:00", "unit_price": "0.32"}
_PLAIN: dict[str, Any] = {
    "model": "time_of_use",
    "time_zone": "Europe/Amsterdam",
    "bands": [_PEAK],
    "otherwise": {"name": "off_peak", "unit_price": "0.21"},
}
_NIGHT = {"name": "night", "days": ["fri"], "from": "22:00", "to": "06:00", "unit_price": "0.1"}
_ALL_DAY = [
    {"name": "day", "from": "07:00", "to": "23:00", "unit_price": "2"},
    {"name": "night", "from": "23:00", "to": "07:00", "unit_price": "1"},
]


def _with(**changes: Any) -> dict[str, Any]:
    return {**_PLAIN, **changes}


def _band(**changes: Any) -> dict[str, Any]:
    return _with(bands=[{**_PEAK, **changes}])


PLUGIN = PricingModel(
    name="time_of_use",
    summary="Each band of hours has a price per unit; the rest of the time has `otherwise`.",
    members={
        "time_zone": {
            "type": "string",
            "description": "Whose clock the bands follow (IANA); by default that of the site where usage is metered.",
            "examples": ["Europe/Amsterdam"],
        },
        "holidays": HOLIDAYS_SCHEMA,
        "bands": {
            "type": "array",
            "description": "They may not overlap.",
            "items": BAND_SCHEMA,
            "minItems": 1,
            "maxItems": BANDS_MOST,
        },
        "otherwise": {
            "type": "object",
            "description": "What holds outside the bands, and for what was committed and not used.",
            "properties": {"name": {"type": "string", "default": "otherwise"}, "unit_price": DECIMAL_STRING},
            "required": ["unit_price"],
            "additionalProperties": False,
        },
    },
    required=["bands"],
    parse=parse,
    examples=[
        Example(
            why="a Monday: an hour before seven, and two after it",
            price=_PLAIN,
            quantity=None,
            metered=_used(
                ("1", "2026-03-02T05:00:00Z", "2026-03-02T06:00:00Z"),
                ("5", "2026-03-02T06:00:00Z", "2026-03-02T08:00:00Z"),
            ),
            exact="1.81",
            parts=[
                {"quantity": "5", "unit_price": "0.32", "band": "peak", "exact": "1.6"},
                {"quantity": "1", "unit_price": "0.21", "band": "off_peak", "exact": "0.21"},
            ],
        ),
        Example(
            why="a Sunday has no peak",
            price=_PLAIN,
            quantity=None,
            metered=_used(("10", "2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z")),
            exact="2.1",
            parts=[{"quantity": "10", "unit_price": "0.21", "band": "off_peak", "exact": "2.1"}],
        ),
        Example(
            why="without a zone of its own it follows the clock of the site",
            price=_with(time_zone=None),
            quantity=None,
            metered=_used(("1", "2026-03-02T13:00:00Z", "2026-03-02T14:00:00Z"), time_zone="America/New_York"),
            exact="0.32",
            parts=[{"quantity": "1", "unit_price": "0.32", "band": "peak", "exact": "0.32"}],
        ),
        Example(
            why="Friday's night goes on into Saturday, Saturday's does not begin",
            price={"model": "time_of_use", "bands": [_NIGHT], "otherwise": {"unit_price": "1"}},
            quantity=None,
            metered=_used(
                ("1", "2026-03-06T22:00:00Z", "2026-03-07T00:00:00Z"),
                ("2", "2026-03-07T00:00:00Z", "2026-03-07T06:00:00Z"),
                ("4", "2026-03-07T22:00:00Z", "2026-03-08T00:00:00Z"),
            ),
            exact="4.3",
            parts=[
                {"quantity": "3", "unit_price": "0.1", "band": "night", "exact": "0.3"},
                {"quantity": "4", "unit_price": "1", "band": "otherwise", "exact": "4"},
            ],
        ),
        Example(
            why="the day on which clocks go forward has one hour less of night: 16 of day, 7 of night",
            price={"model": "time_of_use", "time_zone": "Europe/Amsterdam", "bands": _ALL_DAY},
            quantity=None,
            metered=_hours("2026-03-28T23:00:00Z", 23),
            exact="39",
            parts=[
                {"quantity": "16", "unit_price": "2", "band": "day", "exact": "32"},
                {"quantity": "7", "unit_price": "1", "band": "night", "exact": "7"},
            ],
        ),
        Example(
            why="the day on which clocks go back has one hour more of it",
            price={"model": "time_of_use", "time_zone": "Europe/Amsterdam", "bands": _ALL_DAY},
            quantity=None,
            metered=_hours("2026-10-24T22:00:00Z", 25),
            exact="41",
            parts=[
                {"quantity": "16", "unit_price": "2", "band": "day", "exact": "32"},
                {"quantity": "9", "unit_price": "1", "band": "night", "exact": "9"},
            ],
        ),
        Example(
            why="King's Day is a Monday that counts as a Sunday",
            price=_with(holidays="NL"),
            quantity=None,
            metered=_used(("10", "2026-04-27T10:00:00Z", "2026-04-27T11:00:00Z")),
            exact="2.1",
            parts=[{"quantity": "10", "unit_price": "0.21", "band": "off_peak", "exact": "2.1"}],
        ),
        Example(
            why="a public holiday has a band of its own when one names it",
            price=_with(
                holidays="NL", bands=[_PEAK, {"name": "feast", "days": ["sun", "holiday"], "unit_price": "0.1"}]
            ),
            quantity=None,
            metered=_used(
                ("10", "2026-04-26T10:00:00Z", "2026-04-26T11:00:00Z"),
                ("10", "2026-04-27T10:00:00Z", "2026-04-27T11:00:00Z"),
            ),
            exact="2",
            parts=[{"quantity": "20", "unit_price": "0.1", "band": "feast", "exact": "2"}],
        ),
        Example(
            why="a winter band: November to March, by number or by name",
            price=_band(months=["nov", "dec", 1, 2, 3]),
            quantity=None,
            metered=_used(
                ("10", "2026-03-31T08:00:00Z", "2026-03-31T09:00:00Z"),
                ("10", "2026-04-01T08:00:00Z", "2026-04-01T09:00:00Z"),
            ),
            exact="5.3",
            parts=[
                {"quantity": "10", "unit_price": "0.32", "band": "peak", "exact": "3.2"},
                {"quantity": "10", "unit_price": "0.21", "band": "off_peak", "exact": "2.1"},
            ],
        ),
        Example(
            why="bands of one name and price are one part",
            price=_with(bands=[{**_PEAK, "to": "10:00"}, {**_PEAK, "from": "17:00"}]),
            quantity=None,
            metered=_used(
                ("1", "2026-03-02T08:00:00Z", "2026-03-02T09:00:00Z"),
                ("2", "2026-03-02T18:00:00Z", "2026-03-02T19:00:00Z"),
            ),
            exact="0.96",
            parts=[{"quantity": "3", "unit_price": "0.32", "band": "peak", "exact": "0.96"}],
        ),
        Example(
            why="what was committed and not used has no time: it is paid at `otherwise`",
            price={**_PLAIN, "commitment": {"quantity": "10", "overage": _PLAIN, "take_or_pay": True}},
            quantity=None,
            metered=_used(("4", "2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z")),
            exact="2.54",
            parts=[
                {"quantity": "4", "unit_price": "0.32", "band": "peak", "exact": "1.28"},
                {"quantity": "6", "unit_price": "0.21", "band": "off_peak", "exact": "1.26"},
            ],
        ),
    ],
    refusals=[
        BadExample("no bands", {"model": "time_of_use"}, "member_required", "/bands"),
        BadExample("an empty list", _with(bands=[]), "bands_expected", "/bands"),
        BadExample("hours left out", _with(otherwise=None), "otherwise_required", "/otherwise"),
        BadExample("an unknown zone", _with(time_zone="Mars/Base"), "time_zone_unknown", "/time_zone"),
        BadExample("an unknown country", _with(holidays="XX"), "holidays_unknown", "/holidays"),
        BadExample("no such day", _band(days=["mon", "funday"]), "not_one_of", "/bands/0/days/1"),
        BadExample("no day at all", _band(days=[]), "days_expected", "/bands/0/days"),
        BadExample("a holiday of no country", _band(days=["holiday"]), "holidays_required", "/bands/0/days"),
        BadExample("no such month", _band(months=[13]), "not_one_of", "/bands/0/months/0"),
        BadExample("no such time", _band(to="25:00"), "time_malformed", "/bands/0/to"),
        BadExample(
            "midnight at the end of a day begins nothing", _band(**{"from": "24:00"}), "time_malformed", "/bands/0/from"
        ),
        BadExample("no price", _band(unit_price=None), "member_required", "/bands/0/unit_price"),
        BadExample(
            "overlapping hours",
            _with(bands=[_PEAK, {"name": "noon", "from": "12:00", "to": "13:00", "unit_price": "0.1"}]),
            "bands_overlap",
            "/bands/1",
        ),
        BadExample(
            "a night that reaches into the next day's band",
            _with(
                bands=[_PEAK, {"name": "night", "days": ["sun"], "from": "22:00", "to": "07:01", "unit_price": "0.1"}]
            ),
            "bands_overlap",
            "/bands/1",
        ),
        BadExample(
            "holidays of two countries",
            _with(holidays="NL", bands=[{**_PEAK, "holidays": "DE"}]),
            "holidays_differ",
            "/bands/0/holidays",
        ),
        BadExample(
            "take-or-pay where nothing holds for what was not used",
            {
                "model": "time_of_use",
                "bands": _ALL_DAY,
                "commitment": {"quantity": "1", "overage": _PLAIN, "take_or_pay": True},
            },
            "otherwise_required",
            "/otherwise",
        ),
    ],
    no_price=[
        BadUsage(
            "a quantity without a time, where the bands leave none out",
            {"model": "time_of_use", "bands": _ALL_DAY},
            Metered((Piece(Decimal(1)),)),
            "no_band",
        )
    ],
)
