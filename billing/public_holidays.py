"""Public holidays of a country or of a part of it, as the `holidays` library keeps them."""

from __future__ import annotations

from datetime import date
from functools import cache

import holidays


@cache
def holidays_known(place: str) -> bool:
    """Whether holidays of a place are known: `NL`, or `DE-BY` for a part of a country (ISO 3166)."""
    country, _, part = place.partition("-")
    known = holidays.list_supported_countries(include_aliases=False)
    return country in known and (not part or part in known[country])


@cache
def public_holidays(place: str, year: int) -> frozenset[date]:
    """The public holidays of a year; none in years for which the library knows nothing."""
    country, _, part = place.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year, expand=False))
