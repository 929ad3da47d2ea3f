"""The rules by which a supply is taxed: where, in which category, at which rates.

Source: Directive 2006/112/EC, articles 31 to 33 and 44 to 47 (place of supply), 58 and 59c (consumers), 138 (supplies
to other member states), 146 (exports), 196 (reverse charge), 284 (small enterprises). Elsewhere: tax is charged where
the seller is registered for it, and nowhere else.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from billing.tax import grounds
from billing.tax.decision import (
    DEFAULT_NAME,
    EXEMPT,
    EXPORT,
    INTRA_COMMUNITY,
    OUTSIDE_SCOPE,
    REVERSE_CHARGE,
    Tax,
    TaxRate,
)
from billing.tax.facts import (
    GOODS,
    OSS,
    PROPERTY,
    SMALL_BUSINESS,
    STANDARD_SCHEME,
    Certificate,
    Place,
    Question,
    Registration,
    SellerFacts,
    Undecided,
)
from billing.tax.rates import RateTable, european_union, in_union

# Prefixes of VAT numbers that are not their country's ISO code. Northern Ireland is of the Union for goods alone.
_GREECE, _NORTHERN_IRELAND = "EL", "XI"


def decide(question: Question, rates: RateTable) -> Tax | Undecided:
    """What a supply is taxed with on a day, by the built-in rules."""
    place = _taxed_at(question)
    if isinstance(place, Tax):
        return place
    seller, payer, supply = question.seller, question.payer, question.supply
    registration = _registration(seller, place, question.on)
    if registration is None:
        return grounds.untaxed(OUTSIDE_SCOPE, grounds.NOT_REGISTERED, payer.language, seller.tax_name)
    if registration.scheme == SMALL_BUSINESS:
        return _small_business(registration, question)
    for certificate in payer.certificates:
        if _covers(certificate, place, supply.tax_class, question.on):
            return _exempt(certificate, question)
    found = rates.find(place, supply.tax_class, question.on)
    if found is None:
        where = "-".join(filter(None, (place.country, place.region)))
        detail = f"There is no rate of the tax class {supply.tax_class} in {where} on {question.on.isoformat()}."
        return Undecided("tax_rate_unknown", detail)
    return _named(found, question) if place.country == seller.place.country else found


def _taxed_at(question: Question) -> Place | Tax:
    """Where a supply is taxed; or why it is not taxed by this seller at all."""
    seller, payer, nature = question.seller, question.payer, question.supply.nature
    home, there = seller.place, payer.place
    if nature == PROPERTY:
        return home
    if home.country == there.country and in_union(home) == in_union(there):
        return there
    if _registered(seller, there, STANDARD_SCHEME, question.on):
        return there
    if _in_union(seller):
        abroad = _member_elsewhere(question)
        if abroad is not None:
            return abroad
    if not _at_home(seller, question.on):
        return grounds.untaxed(OUTSIDE_SCOPE, grounds.NOT_REGISTERED, payer.language, seller.tax_name)
    if nature == GOODS:
        return grounds.untaxed(EXPORT, grounds.G, payer.language, seller.tax_name)
    ground = grounds.O if _in_union(seller) else grounds.NOT_REGISTERED
    return grounds.untaxed(OUTSIDE_SCOPE, ground, payer.language, seller.tax_name)


def _member_elsewhere(question: Question) -> Place | Tax | None:
    """Of a seller of the Union: what holds for a payer elsewhere in it; None for one beyond it."""
    seller, payer, on = question.seller, question.payer, question.on
    number = vat_country(payer.tax_id)
    goods_to_ireland = question.supply.nature == GOODS and number == _NORTHERN_IRELAND
    if not in_union(payer.place) and not (goods_to_ireland and payer.place.country == "GB"):
        return None
    if payer.business and number not in (None, seller.place.country) and (payer.checked or not seller.ids_checked):
        if number == _NORTHERN_IRELAND and not goods_to_ireland:
            return None
        if not _at_home(seller, on) or not seller.tax_id:
            return grounds.untaxed(OUTSIDE_SCOPE, grounds.NOT_REGISTERED, payer.language, seller.tax_name)
        if question.supply.nature == GOODS:
            return grounds.untaxed(INTRA_COMMUNITY, grounds.IC, payer.language, seller.tax_name)
        return grounds.untaxed(REVERSE_CHARGE, grounds.AE, payer.language, seller.tax_name)
    union_wide = any(r.scheme == OSS and r.valid.holds(on) for r in seller.registrations)
    return payer.place if union_wide else seller.place


def _in_union(seller: SellerFacts) -> bool:
    return in_union(seller.place)


def vat_country(tax_id: str) -> str | None:
    """The country whose VAT number this is: a member state, or `XI`; None for any other number."""
    prefix = tax_id[:2].upper()
    country = "GR" if prefix == _GREECE else prefix
    return country if country in european_union().members or country == _NORTHERN_IRELAND else None


def _registered(seller: SellerFacts, place: Place, scheme: str, on: date) -> bool:
    return any(r.scheme == scheme and r.valid.holds(on) and _of(r, place) for r in seller.registrations)


def _of(registration: Registration, place: Place) -> bool:
    """Whether a place is one that a registration is for; one for a member state is not for what lies beyond its VAT
    territory.
    """
    its = Place(registration.country, registration.region)
    return place.within(its) and in_union(place) == in_union(its)


def _at_home(seller: SellerFacts, on: date) -> bool:
    return _registration(seller, seller.place, on) is not None


def _registration(seller: SellerFacts, place: Place, on: date) -> Registration | None:
    """By what a seller charges tax at a place: as listed, or by its VAT number at home; the narrowest goes first."""
    covering = [
        r
        for r in seller.registrations
        if r.valid.holds(on) and (_by_oss(seller, place) if r.scheme == OSS else _of(r, place))
    ]
    if covering:
        return max(covering, key=lambda r: (r.scheme != OSS, r.region != ""))
    if place.country == seller.place.country and in_union(place) and vat_country(seller.tax_id) == place.country:
        return Registration(place.country)
    return None


def _by_oss(seller: SellerFacts, place: Place) -> bool:
    return in_union(place) and place.country != seller.place.country


def _covers(certificate: Certificate, place: Place, tax_class: str, on: date) -> bool:
    return certificate.valid.holds(on) and place.within(certificate.place) and certificate.tax_class in ("", tax_class)


def _exempt(certificate: Certificate, question: Question) -> Tax:
    words = certificate.note or grounds.note(grounds.CERTIFICATE, question.payer.language)
    told = words.replace("{number}", certificate.number)
    name = question.seller.tax_name
    return Tax((TaxRate(EXEMPT, grounds.ZERO, name=name, reason=certificate.reason, note=told),))


def _small_business(registration: Registration, question: Question) -> Tax:
    tax = grounds.untaxed(EXEMPT, grounds.SMALL, question.payer.language, question.seller.tax_name)
    return Tax((replace(tax.rates[0], note=registration.note),)) if registration.note else tax


def _named(tax: Tax, question: Question) -> Tax:
    """Rates at home carry the name that the seller's tax has there, where they have none of their own."""
    name = question.seller.tax_name
    return Tax(tuple(replace(r, name=name) if r.name == DEFAULT_NAME else r for r in tax.rates))
