"""What a supply is taxed with: where it is taxed, in which category, at which rate, on what ground."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from stdnum.eu.vat import MEMBER_STATES

from billing.tax.decision import Tax, TaxRate
from billing.tax.facts import (
    Certificate,
    PayerFacts,
    Place,
    Question,
    Registration,
    SellerFacts,
    Supply,
    Undecided,
    Validity,
    place_of,
)
from billing.tax.rates import PlacedRate, RateTable, european_union
from billing.tax.rules import decide

MAY = date(2026, 5, 1)
SHIPPED = RateTable((), european_union().rates)
DUTCH = SellerFacts(Place("NL"), tax_id="NL004495445B01", tax_name="Btw")
AMERICAN = SellerFacts(Place("US", "NY"), tax_name="Sales tax", registrations=(Registration("US", "NY"),))
SERVICE = Supply()
PAYER = PayerFacts(Place("NL"))
GERMAN_BUSINESS = PayerFacts(Place("DE"), tax_id="DE136695976", business=True)


def taxed(payer: PayerFacts, supply: Supply = SERVICE, seller: SellerFacts = DUTCH, on: date = MAY) -> Tax:
    answer = decide(Question(seller, payer, supply, on), SHIPPED)
    assert isinstance(answer, Tax), answer
    return answer


def told(tax: Tax) -> tuple[str, str, str]:
    return tax.category, f"{tax.rate:f}", tax.rates[0].reason


@pytest.mark.parametrize(
    ("payer", "supply", "expected"),
    [
        (PAYER, Supply(), ("S", "21", "")),
        (PAYER, Supply("reduced"), ("S", "9", "")),
        (replace(PAYER, tax_id="NL004495445B01", business=True), Supply(), ("S", "21", "")),
        (GERMAN_BUSINESS, Supply(), ("AE", "0", "VATEX-EU-AE")),
        (GERMAN_BUSINESS, Supply(nature="goods"), ("K", "0", "VATEX-EU-IC")),
        (GERMAN_BUSINESS, Supply(nature="property"), ("S", "21", "")),
        (replace(GERMAN_BUSINESS, business=False), Supply(), ("S", "21", "")),
        (PayerFacts(Place("DE"), business=True), Supply(), ("S", "21", "")),  # no number, no proof
        (PayerFacts(Place("FR", "75")), Supply(), ("S", "21", "")),
        (PayerFacts(Place("CH"), business=True, tax_id="CHE107787577MWST"), Supply(), ("O", "0", "VATEX-EU-O")),
        (PayerFacts(Place("CH")), Supply(nature="goods"), ("G", "0", "VATEX-EU-G")),
        (PayerFacts(Place("ES", "CN")), Supply(), ("O", "0", "VATEX-EU-O")),  # the Canary Islands
        (
            PayerFacts(Place("GB"), tax_id="XI432525179", business=True),
            Supply(nature="goods"),
            ("K", "0", "VATEX-EU-IC"),
        ),
        (PayerFacts(Place("GB"), tax_id="XI432525179", business=True), Supply(), ("O", "0", "VATEX-EU-O")),
        (PayerFacts(place_of("MC", {}), business=True, tax_id="FR61954506077"), Supply(), ("AE", "0", "VATEX-EU-AE")),
        (PayerFacts(Place("GR"), tax_id="EL094259216", business=True), Supply(), ("AE", "0", "VATEX-EU-AE")),
    ],
)
def test_a_dutch_seller_charges_what_the_place_of_supply_asks_for(
    payer: PayerFacts, supply: Supply, expected: tuple[str, str, str]
) -> None:
    assert told(taxed(payer, supply)) == expected


def test_whoever_takes_part_in_the_one_stop_shop_charges_consumers_the_tax_of_where_they_are() -> None:
    seller = replace(DUTCH, registrations=(Registration("NL", scheme="oss"),))
    assert told(taxed(PayerFacts(Place("FI")), seller=seller)) == ("S", "25.5", "")
    assert told(taxed(PayerFacts(Place("PT", "20")), seller=seller)) == ("S", "16", "")  # the Azores
    assert told(taxed(GERMAN_BUSINESS, seller=seller))[0] == "AE"
    assert told(taxed(PAYER, seller=seller)) == ("S", "21", "")


def test_a_number_that_was_not_looked_up_proves_nothing_to_a_seller_who_asks_for_that() -> None:
    strict = replace(DUTCH, ids_checked=True)
    assert told(taxed(GERMAN_BUSINESS, seller=strict)) == ("S", "21", "")
    assert told(taxed(replace(GERMAN_BUSINESS, checked=True), seller=strict))[0] == "AE"


def test_a_seller_without_a_registration_charges_no_tax_and_says_so() -> None:
    unknown = SellerFacts(Place("NL"))
    for payer in (PAYER, GERMAN_BUSINESS, PayerFacts(Place("US", "NY"))):
        tax = taxed(payer, seller=unknown)
        assert (tax.category, tax.rates[0].reason) == ("O", "")
        assert "not registered" in tax.rates[0].note


def test_a_registration_holds_from_its_first_day_to_its_last() -> None:
    listed = Registration("NL", valid=Validity(date(2026, 2, 1), date(2026, 4, 30)))
    seller = SellerFacts(Place("NL"), registrations=(listed,))
    found = [taxed(PAYER, seller=seller, on=date(2026, *day)).category for day in ((1, 31), (2, 1), (4, 30), (5, 1))]
    assert found == ["O", "S", "S", "O"]


def test_a_registration_elsewhere_makes_that_place_like_home() -> None:
    seller = replace(DUTCH, registrations=(Registration("DE"),))
    assert told(taxed(GERMAN_BUSINESS, seller=seller)) == ("S", "19", "")


def test_a_small_business_charges_none_and_names_the_law() -> None:
    seller = replace(DUTCH, registrations=(Registration("NL", scheme="small_business", note="Article 25 Wet OB"),))
    tax = taxed(PAYER, seller=seller)
    assert (tax.category, tax.rates[0].note) == ("E", "Article 25 Wet OB")


def test_a_note_is_in_the_language_of_the_document() -> None:
    assert "Steuerschuldnerschaft" in taxed(replace(GERMAN_BUSINESS, language="de-DE")).rates[0].note
    assert "Btw verlegd" in taxed(replace(GERMAN_BUSINESS, language="nl")).rates[0].note
    assert "Reverse charge" in taxed(replace(GERMAN_BUSINESS, language="pt")).rates[0].note


def certificate(**changes: object) -> PayerFacts:
    held = Certificate("EX-1", Place("NL"), valid=Validity(date(2026, 1, 1), date(2026, 5, 1)))
    return replace(PAYER, certificates=(replace(held, **changes),))  # type: ignore[arg-type]


def test_a_certificate_exempts_until_its_last_day_and_not_a_day_longer() -> None:
    tax = taxed(certificate(reason="VATEX-EU-151"))
    assert (told(tax), tax.rates[0].note) == (("E", "0", "VATEX-EU-151"), "Exempt by certificate EX-1.")
    assert told(taxed(certificate(), on=date(2026, 5, 2))) == ("S", "21", "")
    assert told(taxed(certificate(), on=date(2025, 12, 31))) == ("S", "21", "")


def test_a_certificate_exempts_where_and_for_what_it_says() -> None:
    assert taxed(certificate(place=Place("DE"))).category == "S"
    assert taxed(certificate(tax_class="reduced")).category == "S"
    assert taxed(certificate(tax_class="reduced"), Supply("reduced")).category == "E"


NEW_YORK = [
    PlacedRate(Place("US", "NY"), "standard", TaxRate("S", Decimal(4), "NY"), stacked=True),
    PlacedRate(Place("US", "NY", "Kings"), "standard", TaxRate("S", Decimal("0.375"), "MCTD"), stacked=True),
    PlacedRate(Place("US", "NY", "", "New York"), "standard", TaxRate("S", Decimal("4.5"), "New York"), stacked=True),
]


def test_state_county_and_city_take_their_taxes_on_the_same_amount() -> None:
    payer = PayerFacts(Place("US", "ny", "Kings", "new york"))
    answer = decide(Question(AMERICAN, payer, Supply(), MAY), RateTable(NEW_YORK))
    assert isinstance(answer, Tax)
    assert [(rate.jurisdiction, f"{rate.rate:f}") for rate in answer.rates] == [
        ("NY", "4"),
        ("MCTD", "0.375"),
        ("New York", "4.5"),
    ]
    assert answer.rate == Decimal("8.875")


def test_a_state_without_a_registration_is_charged_no_tax() -> None:
    answer = decide(Question(AMERICAN, PayerFacts(Place("US", "TX")), Supply(), MAY), RateTable(NEW_YORK))
    assert isinstance(answer, Tax)
    assert answer.category == "O"


def test_a_rate_of_a_region_takes_the_place_of_its_countrys_unless_it_is_stacked() -> None:
    quebec, ontario = Place("CA", "QC"), Place("CA", "ON")
    rates = RateTable(
        [
            PlacedRate(Place("CA"), "standard", TaxRate("S", Decimal(5), name="GST")),
            PlacedRate(quebec, "standard", TaxRate("S", Decimal("9.975"), "QC", name="QST"), stacked=True),
            PlacedRate(ontario, "standard", TaxRate("S", Decimal(13), name="HST")),
        ]
    )
    found = {place: rates.find(place, "standard", MAY) for place in (quebec, ontario, Place("CA", "AB"))}
    assert [f"{tax.rate:f}" for tax in found.values() if tax] == ["14.975", "13", "5"]


def test_a_class_without_a_rate_is_undecided_rather_than_guessed() -> None:
    answer = decide(Question(DUTCH, PAYER, Supply("books"), MAY), SHIPPED)
    assert isinstance(answer, Undecided)
    assert (answer.code, "books" in answer.detail) == ("tax_rate_unknown", True)


def test_a_providers_own_rate_goes_before_the_shipped_one() -> None:
    own = PlacedRate(Place("NL"), "standard", TaxRate("S", Decimal(12)), Validity(date(2026, 5, 1), date(2026, 5, 31)))
    rates = RateTable([own], european_union().rates)
    found = [rates.find(Place("NL"), "standard", day) for day in (MAY, date(2026, 6, 1))]
    assert [f"{tax.rate:f}" for tax in found if tax] == ["12", "21"]


@pytest.mark.parametrize(
    ("country", "tax_class", "day", "rate"),
    [
        ("EE", "standard", date(2025, 6, 30), "22"),
        ("EE", "standard", date(2025, 7, 1), "24"),
        ("SK", "standard", date(2024, 12, 31), "20"),
        ("SK", "standard", date(2025, 1, 1), "23"),
        ("RO", "standard", date(2025, 8, 1), "21"),
        ("RO", "reduced", date(2025, 8, 1), "11"),
        ("FI", "standard", date(2024, 9, 1), "25.5"),
        ("FI", "reduced", date(2026, 1, 1), "13.5"),
        ("LU", "standard", date(2023, 12, 31), "16"),
        ("LU", "standard", date(2024, 1, 1), "17"),
        ("DE", "standard", date(2020, 12, 31), "16"),
        ("LT", "reduced", date(2026, 1, 1), "12"),
    ],
)
def test_shipped_rates_change_on_the_day_of_the_law(country: str, tax_class: str, day: date, rate: str) -> None:
    found = SHIPPED.find(Place(country), tax_class, day)
    assert found is not None
    assert f"{found.rate:f}" == rate


def test_what_is_shipped_covers_the_union_and_names_its_source_and_date() -> None:
    shipped = european_union()
    assert shipped.members == {code.upper() for code in MEMBER_STATES} - {"XI"}
    assert "TEDB" in shipped.source
    assert shipped.as_of >= date(2026, 10, 1)
    assert all(SHIPPED.find(Place(member), "standard", shipped.as_of) for member in shipped.members)


def test_a_rate_that_has_ended_is_not_known_any_more() -> None:
    assert SHIPPED.find(Place("RO"), "reduced_2", date(2025, 7, 31)) is not None
    assert SHIPPED.find(Place("RO"), "reduced_2", date(2025, 8, 1)) is None
