"""Adding an aggregation is adding one file: here from a folder of tests, with nothing else written."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import billing.metering.aggregations
from billing.metering.meters import kinds, schema
from billing.plan_prices import read_prices
from core.registry import plugins
from services import catalog, plans
from tests.builders.billing import PlanOf, an_account, subscribe
from tests.builders.catalog import plan_price
from tests.builders.metering import Metered, a_point, an_event, send
from tests.builders.runs import bill_at, invoices, lines_of, set_clock
from tests.conftest import Open

FOLDER = str(Path(__file__).parent / "aggregations_more")
FEBRUARY = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
PRICE = {"model": "per_unit", "unit_price": "2"}


@pytest.fixture
def added() -> Iterator[None]:
    """The folder is part of the family while a test runs, and gone afterwards."""
    billing.metering.aggregations.__path__.append(FOLDER)
    importlib.invalidate_caches()
    plugins.cache_clear()
    yield
    billing.metering.aggregations.__path__.remove(FOLDER)
    sys.modules.pop("billing.metering.aggregations.spread", None)
    plugins.cache_clear()


@pytest.mark.usefixtures("added")
def test_an_aggregation_from_a_folder_of_tests_bills_a_subscription(open_unit: Open) -> None:
    prices = read_prices([plan_price("power", "usage", PRICE)], "", [])
    with open_unit() as ctx:
        catalog.create_product(ctx, {"code": "colocation", "name": "Colocation"})
        meter = catalog.create_meter(ctx, {"code": "energy", "name": "Energy", "unit": "kWh", "aggregation": "spread"})
        version = plans.create(ctx, {"code": "colo", "name": "Colo"}, prices, datetime(2026, 1, 1, tzinfo=UTC)).version
        plan = PlanOf(version.plan_id, version.id, {p.charge_code: p.id for p in version.prices}, meter.id)
        metered = Metered(a_point(ctx), plan, subscribe(ctx, an_account(ctx), plan))
    set_clock(open_unit, FEBRUARY)
    with open_unit() as ctx:
        days = [datetime(2026, 1, day, tzinfo=UTC) for day in (3, 9, 20)]
        send(ctx, [an_event(metered, str(at), at, quantity) for at, quantity in zip(days, "395", strict=True)])
    bill_at(open_unit, FEBRUARY)
    with open_unit() as ctx:
        (invoice,) = invoices(ctx)
        (line,) = lines_of(ctx, invoice)
    assert (line.quantity, line.amount) == (6, 1200)


@pytest.mark.usefixtures("added")
def test_it_is_in_the_schema() -> None:
    assert "spread" in [option["title"] for option in schema()["oneOf"]]


def test_without_its_file_it_is_not_known() -> None:
    assert "spread" not in kinds()
