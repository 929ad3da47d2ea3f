"""`package`: every started package is charged whole."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from billing.members import Members
from billing.metered import QUANTITY, Metered, Needs
from billing.pricing_model import DECIMAL_STRING, BadExample, Example, Part, PricingModel
from core.decimals import EXACT, format_decimal

ONE = Decimal(1)


@dataclass(frozen=True)
class Package:
    """A number of units, and what they cost together in major units."""

    package_size: Decimal
    package_price: Decimal
    needs: Needs = QUANTITY

    def rate(self, metered: Metered) -> list[Part]:
        """One part: the packages that were started, times their price. Nothing starts none."""
        packages = EXACT.divide_int(metered.total, self.package_size)
        if EXACT.remainder(metered.total, self.package_size) > 0:
            packages = EXACT.add(packages, ONE)
        more = {"packages": format_decimal(packages), "package_price": format_decimal(self.package_price)}
        return [Part(EXACT.multiply(packages, self.package_price), metered.total, more=more)]


def parse(members: Members) -> Package:
    """Read `package_size` and `package_price`."""
    return Package(members.decimal("package_size", sign="positive"), members.decimal("package_price"))


_PLAIN = {"model": "package", "package_size": "100", "package_price": "5"}

PLUGIN = PricingModel(
    name="package",
    summary="Units are sold by the package; a package that was started is charged whole.",
    members={
        "package_size": {**DECIMAL_STRING, "description": "How many units a package holds.", "examples": ["100"]},
        "package_price": {**DECIMAL_STRING, "description": "What one package costs.", "examples": ["5"]},
    },
    required=["package_size", "package_price"],
    parse=parse,
    examples=[
        Example(
            why="two full packages and a started one",
            price=_PLAIN,
            quantity="201",
            exact="15",
            parts=[{"quantity": "201", "packages": "3", "package_price": "5", "exact": "15"}],
        ),
        Example(
            why="a full package starts no other",
            price=_PLAIN,
            quantity="200",
            exact="10",
            parts=[{"quantity": "200", "packages": "2", "package_price": "5", "exact": "10"}],
        ),
        Example(
            why="the least use starts one",
            price=_PLAIN,
            quantity="0.000000000001",
            exact="5",
            parts=[{"quantity": "0.000000000001", "packages": "1", "package_price": "5", "exact": "5"}],
        ),
        Example(
            why="no use starts none",
            price=_PLAIN,
            quantity="0",
            exact="0",
            parts=[{"quantity": "0", "packages": "0", "package_price": "5", "exact": "0"}],
        ),
        Example(
            why="a package may hold a part of a unit",
            price={"model": "package", "package_size": "0.25", "package_price": "0.1"},
            quantity="1.1",
            exact="0.5",
            parts=[{"quantity": "1.1", "packages": "5", "package_price": "0.1", "exact": "0.5"}],
        ),
    ],
    refusals=[
        BadExample("no size", {"model": "package", "package_price": "5"}, "member_required", "/package_size"),
        BadExample("no price", {"model": "package", "package_size": "100"}, "member_required", "/package_price"),
        BadExample(
            "an empty package",
            {"model": "package", "package_size": "0", "package_price": "5"},
            "decimal_not_positive",
            "/package_size",
        ),
        BadExample(
            "a number",
            {"model": "package", "package_size": 100, "package_price": "5"},
            "decimal_string_expected",
            "/package_size",
        ),
    ],
)
