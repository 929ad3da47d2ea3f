"""Adding a pricing model is adding one file: here from a folder of tests, with nothing else written."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import billing.pricing
from billing.plan_prices import read_prices
from billing.price import parse_price, schema
from billing.pricing_model import models
from core.errors import FieldError, Invalid
from core.registry import plugins
from services import catalog, invoicing, plans
from tests.builders.billing import PlanOf, an_account, subscribe
from tests.builders.metering import Metered, a_point, an_event, send
from tests.builders.runs import bill_at, invoices, lines_of, set_clock
from tests.conftest import Open

FOLDER = str(Path(__file__).parent / "pricing_more")
FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
CUBED = {"model": "cubed", "unit_price": "0.01"}
PRICE = {
    "charge_code": "power",
    "product": "colocation",
    "kind": "usage",
    "meter": "energy",
    "currencies": {"EUR": {**CUBED, "included": "2"}},
}


@pytest.fixture
def added() -> Iterator[None]:
    """The folder is part of the family while a test runs, and gone afterwards."""
    billing.pricing.__path__.append(FOLDER)
    importlib.invalidate_caches()
    plugins.cache_clear()
    yield
    billing.pricing.__path__.remove(FOLDER)
    sys.modules.pop("billing.pricing.cubed", None)
    plugins.cache_clear()


def a_plan_of(open_unit: Open, *prices: dict[str, Any]) -> PlanOf:
    errors: list[FieldError] = []
    read = read_prices(list(prices), "/version/prices", errors)
    assert errors == []
    with open_unit() as ctx:
        catalog.create_product(ctx, {"code": "colocation", "name": "Colocation"})
        meter = catalog.create_meter(ctx, {"code": "energy", "name": "Energy", "unit": "kWh", "aggregation": "sum"})
        version = plans.create(ctx, {"code": "colo", "name": "Colo"}, read, datetime(2026, 1, 1, tzinfo=UTC)).version
        return PlanOf(version.plan_id, version.id, {price.charge_code: price.id for price in version.prices}, meter.id)


@pytest.mark.usefixtures("added")
def test_a_model_from_a_folder_of_tests_bills_a_subscription_and_explains_it(open_unit: Open) -> None:
    plan = a_plan_of(open_unit, PRICE)
    with open_unit() as ctx:
        metered = Metered(a_point(ctx), plan, subscribe(ctx, an_account(ctx), plan))
    set_clock(open_unit, FEBRUARY)
    with open_unit() as ctx:
        assert send(ctx, [an_event(metered, "one", datetime(2026, 1, 20, tzinfo=UTC), "12")]).accepted == 1
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        (invoice,) = invoices(ctx)
        (line,) = lines_of(ctx, invoice)
        why = invoicing.explanation(ctx, invoice.id, line.id)
    assert (line.amount, why["parts"]) == (1000, [{"quantity": "10", "cube": "1000", "exact": "10"}])


@pytest.mark.usefixtures("added")
def test_it_is_in_the_schema_and_its_examples_hold() -> None:
    assert "cubed" in [option["title"] for option in schema()["oneOf"]]
    (example,) = models()["cubed"].examples
    assert parse_price(example.price).rate(example.usage).total == 4


def test_without_its_file_there_is_no_such_model() -> None:
    with pytest.raises(Invalid) as refused:
        parse_price(CUBED)
    assert refused.value.code == "pricing_model_unknown"
