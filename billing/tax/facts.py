"""What a tax decision is made from: who sells, who pays, what is supplied, on which day.

Facts are values that are written as JSON in one way only, since an engine outside is asked with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

# Where a supply is taxed follows from what it is (Directive 2006/112/EC, articles 31 to 33, 44 to 47, 58).
SERVICE, GOODS, PROPERTY = "service", "goods", "property"
NATURES = (SERVICE, GOODS, PROPERTY)
STANDARD_CLASS = "standard"
STANDARD_SCHEME, OSS, SMALL_BUSINESS = "standard", "oss", "small_business"
SCHEMES = (STANDARD_SCHEME, OSS, SMALL_BUSINESS)


@dataclass(frozen=True, order=True)
class Place:
    """A country (ISO 3166-1), a region of it (ISO 3166-2 without the country, as far as it has one), county, city."""

    country: str
    region: str = ""
    county: str = ""
    city: str = ""

    def within(self, wider: Place) -> bool:
        """Whether this place lies in another; what a place does not say, it leaves open."""
        mine, its = ([part.casefold() for part in (p.country, p.region, p.county, p.city)] for p in (self, wider))
        return all(not its_part or part == its_part for part, its_part in zip(mine, its, strict=True))


def place_of(country: str, address: Mapping[str, Any]) -> Place:
    """The place of an address: `region` may carry its country (`US-NY`). Monaco is France (Directive, article 7)."""
    country = "FR" if country == "MC" else country
    region = str(address.get("region") or "").strip()
    if region.upper().startswith(f"{country}-"):
        region = region[len(country) + 1 :]
    return Place(country, region, str(address.get("county") or "").strip(), str(address.get("city") or "").strip())


@dataclass(frozen=True)
class Validity:
    """From which day to which, both included; None is without end."""

    first: date | None = None
    last: date | None = None

    def holds(self, on: date) -> bool:
        """Whether a day is one of these."""
        return (self.first is None or self.first <= on) and (self.last is None or on <= self.last)


ALWAYS = Validity()


@dataclass(frozen=True)
class Registration:
    """Where a seller may charge tax. `oss` covers consumers of the whole Union, `small_business` charges none."""

    country: str
    region: str = ""
    scheme: str = STANDARD_SCHEME
    number: str = ""
    note: str = ""
    valid: Validity = ALWAYS


@dataclass(frozen=True)
class Certificate:
    """A paper that exempts its holder in a place, from tax on one class of products or on all (`tax_class` "")."""

    number: str
    place: Place
    tax_class: str = ""
    reason: str = ""
    note: str = ""
    valid: Validity = ALWAYS


@dataclass(frozen=True)
class SellerFacts:
    """Who sells. `tax_name` is what its tax is called at home; `ids_checked`: only ids that were looked up count."""

    place: Place
    tax_id: str = ""
    tax_name: str = "VAT"
    registrations: tuple[Registration, ...] = ()
    ids_checked: bool = False


@dataclass(frozen=True)
class PayerFacts:
    """Who pays. `checked`: its tax id was found in its register; `language` is that of its documents."""

    place: Place
    tax_id: str = ""
    checked: bool = False
    business: bool = False
    certificates: tuple[Certificate, ...] = ()
    language: str = "en"


@dataclass(frozen=True)
class Supply:
    """What is supplied: the tax class of its product, and its nature."""

    tax_class: str = STANDARD_CLASS
    nature: str = SERVICE


@dataclass(frozen=True)
class Question:
    """What is a supply taxed with on a day?"""

    seller: SellerFacts
    payer: PayerFacts
    supply: Supply
    on: date


@dataclass(frozen=True)
class Undecided:
    """Why there is no answer: a stable code, and a sentence for people."""

    code: str
    detail: str


def question_json(question: Question) -> dict[str, Any]:
    """A question as JSON: the same facts always give the same."""
    return {name: _json(value) for name, value in asdict(question).items()}


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value
