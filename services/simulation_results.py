"""What a simulation comes to for each customer, read while it is sent: a portion at a time, and nothing kept.

It is worked out anew each time it is read, on what is known then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import orjson

from billing.simulated_totals import LOSER, SAME, UNPRICED, WINNER, Customer, Line, Summing, Total, outcome, percent
from core.ids import encode
from exports import simulation_csv
from models.simulations import Simulation
from services import simulation_prices, simulation_steps
from services.context import Context
from services.lookups import by_id
from services.simulation_steps import Key

CUSTOMERS, SUBSCRIPTIONS = "customers", "subscriptions"
ROWS = (CUSTOMERS, SUBSCRIPTIONS)


class Form(Protocol):
    """How results are written, piece by piece: a beginning, customers with their subscriptions, totals."""

    def opening(self, row: Simulation) -> bytes: ...

    def customer(self, customer: Customer, lines: Sequence[Line]) -> bytes: ...

    def closing(self, totals: Sequence[Total]) -> bytes: ...


@dataclass
class Reading:
    """How far results were read.

    Args:
        after: the last subscription; None before the first.
        lines: the subscriptions of the customer that is still open.
    """

    form: Form
    after: Key | None = None
    summing: Summing = field(default_factory=Summing)
    lines: list[Line] = field(default_factory=list)


def read(ctx: Context, simulation_id: UUID, reading: Reading) -> tuple[bytes, Reading | None]:
    """The next piece of the results, and how far they were read with it; None after the last.

    Raises:
        NotFound.
    """
    row = by_id(ctx, Simulation, "simulation", simulation_id)
    pieces = [reading.form.opening(row)] if reading.after is None else []
    lines, reading.after = simulation_steps.portion(ctx, simulation_prices.load(ctx, row), reading.after)
    pieces += [reading.form.customer(*done) for done in _done(reading, lines)]
    if reading.after is not None:
        return b"".join(pieces), reading
    last = reading.summing.close()
    if last is not None:
        pieces.append(reading.form.customer(last, reading.lines))
    return b"".join([*pieces, reading.form.closing(reading.summing.all)]), None


def _done(reading: Reading, lines: Iterable[Line]) -> Iterator[tuple[Customer, Sequence[Line]]]:
    """The customers whose subscriptions have all come, with those."""
    for line, done in reading.summing.take(lines):
        if done is not None:
            yield done, reading.lines
            reading.lines = []
        reading.lines.append(line)


class Json:
    """One object: `customers`, then `totals`."""

    def __init__(self) -> None:
        self._between = b""

    def opening(self, row: Simulation) -> bytes:
        """Which simulation it is, and where its customers begin."""
        return b'{"simulation":' + orjson.dumps(encode("simulation", row.id)) + b',"customers":['

    def customer(self, customer: Customer, lines: Sequence[Line]) -> bytes:
        """A customer with its subscriptions."""
        told = {**customer_json(customer), "lines": [_line_json(line) for line in lines]}
        between, self._between = self._between, b",\n"
        return between + orjson.dumps(told)

    def closing(self, totals: Sequence[Total]) -> bytes:
        """The totals, and the end."""
        return b'],"totals":' + orjson.dumps([total_json(total) for total in totals]) + b"}\n"


@dataclass(frozen=True)
class Csv:
    """Rows for spreadsheets: of customers, or of subscriptions; then a row for each currency."""

    rows: str = CUSTOMERS

    def opening(self, row: Simulation) -> bytes:
        """The names of the columns."""
        return simulation_csv.write([], names=True)

    def customer(self, customer: Customer, lines: Sequence[Line]) -> bytes:
        """A customer's row, or the rows of its subscriptions."""
        if self.rows == SUBSCRIPTIONS:
            return simulation_csv.write([_line_row(customer, line) for line in lines], names=False)
        whose = {"account_reference": customer.external_id, "account_name": customer.name}
        obstacles = _codes(obstacle.code for line in lines for obstacle in line.compared.obstacles)
        return simulation_csv.write(
            [{"row": "customer", **customer_json(customer), **whose, "obstacles": obstacles}], names=False
        )

    def closing(self, totals: Sequence[Total]) -> bytes:
        """The totals."""
        return simulation_csv.write([{"row": "total", **total_json(total)} for total in totals], names=False)


def _codes(codes: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(codes))


def customer_json(customer: Customer) -> dict[str, Any]:
    """A customer as the API shows it."""
    return {
        "account": customer.account,
        "external_id": customer.external_id,
        "name": customer.name,
        **_sums(customer),
        "outcome": customer.outcome,
    }


def total_json(total: Total) -> dict[str, Any]:
    """A total as the API shows it, with those who win and lose most."""
    return {
        "customers": total.customers,
        **_sums(total),
        "winners": total.outcomes[WINNER],
        "losers": total.outcomes[LOSER],
        "same": total.outcomes[SAME],
        "unpriced_customers": total.outcomes[UNPRICED],
        "most_winning": [customer_json(customer) for customer in total.foremost[WINNER]],
        "most_losing": [customer_json(customer) for customer in total.foremost[LOSER]],
    }


def _sums(of: Customer | Total) -> dict[str, Any]:
    names = ("currency", "subscriptions", "unpriced", "current_amount", "simulated_amount")
    return {name: getattr(of, name) for name in (*names, "difference_amount", "difference_percent")}


def _line_json(line: Line) -> dict[str, Any]:
    compared = line.compared
    codes = dict.fromkeys([*compared.current, *compared.simulated])
    charges = [
        {
            "charge_code": code,
            "current_amount": compared.current.get(code),
            "simulated_amount": compared.simulated.get(code),
        }
        for code in codes
    ]
    return {
        "subscription": line.whose.subscription,
        "external_id": line.whose.subscription_reference,
        **_amounts(line),
        "charges": charges,
        "obstacles": [
            {"charge_code": each.charge_code, "code": each.code, "detail": each.detail} for each in compared.obstacles
        ],
    }


def _amounts(line: Line) -> Mapping[str, Any]:
    """What a subscription comes to; nulls where it could not be priced."""
    if line.unpriced:
        amounts = ("current_amount", "simulated_amount", "difference_amount", "difference_percent")
        return {**dict.fromkeys(amounts), "outcome": UNPRICED}
    current, simulated = line.compared.current_amount, line.compared.simulated_amount
    return {
        "current_amount": current,
        "simulated_amount": simulated,
        "difference_amount": simulated - current,
        "difference_percent": percent(simulated - current, current),
        "outcome": outcome(simulated - current),
    }


def _line_row(customer: Customer, line: Line) -> dict[str, Any]:
    return {
        "row": "subscription",
        "account": customer.account,
        "account_reference": customer.external_id,
        "account_name": customer.name,
        "subscription": line.whose.subscription,
        "subscription_reference": line.whose.subscription_reference,
        "currency": customer.currency,
        **_amounts(line),
        "obstacles": _codes(obstacle.code for obstacle in line.compared.obstacles),
    }
