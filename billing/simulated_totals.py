"""What-if, the sums: per customer and in total, who would pay less (wins) and who more (loses).

Subscriptions come in the order of their customers, a portion at a time; a customer is summed up when the next one
begins. What could not be priced is counted and left out of both sides, so that the difference is of like with like.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from billing.simulation import Compared
from core.decimals import ROUNDING, format_decimal

WINNER, LOSER, SAME, UNPRICED = "winner", "loser", "same", "unpriced"
OUTCOMES = (WINNER, LOSER, SAME, UNPRICED)
# So many of those who win and lose most are told with the totals.
FOREMOST = 10
_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True)
class Whose:
    """A customer's contract: TypeIDs, and what the provider calls them."""

    account: str
    account_reference: str | None
    account_name: str
    currency: str
    subscription: str
    subscription_reference: str | None


@dataclass(frozen=True)
class Line:
    """A subscription, and what it comes to."""

    whose: Whose
    compared: Compared

    @property
    def unpriced(self) -> bool:
        """Whether it could not be priced."""
        return bool(self.compared.obstacles)


def outcome(difference: int) -> str:
    """What a difference means to who pays it: less is a gain."""
    return WINNER if difference < 0 else LOSER if difference > 0 else SAME


def percent(difference: int, current: int) -> str | None:
    """A difference in per cent of what is paid now, to two places; None where nothing is."""
    if current == 0:
        return None
    share = ROUNDING.divide(Decimal(difference * 100), Decimal(abs(current)))
    return format_decimal(share.quantize(_HUNDREDTH, context=ROUNDING))


@dataclass(frozen=True)
class Customer:
    """What a customer pays in one currency; amounts are of those subscriptions that could be priced."""

    account: str
    external_id: str | None
    name: str
    currency: str
    subscriptions: int = 0
    unpriced: int = 0
    current_amount: int = 0
    simulated_amount: int = 0

    @property
    def difference_amount(self) -> int:
        """What it would pay more."""
        return self.simulated_amount - self.current_amount

    @property
    def outcome(self) -> str:
        """`winner`, `loser`, `same`; `unpriced` where nothing of it could be priced."""
        return UNPRICED if self.unpriced == self.subscriptions else outcome(self.difference_amount)

    @property
    def difference_percent(self) -> str | None:
        """The same in per cent of what it pays."""
        return percent(self.difference_amount, self.current_amount)

    def with_line(self, line: Line) -> Customer:
        """The customer with one more subscription."""
        return replace(
            self,
            subscriptions=self.subscriptions + 1,
            unpriced=self.unpriced + line.unpriced,
            current_amount=self.current_amount + line.compared.current_amount,
            simulated_amount=self.simulated_amount + line.compared.simulated_amount,
        )


@dataclass(frozen=True)
class Total:
    """What all customers pay in one currency. `foremost` are those who win and lose most, by outcome."""

    currency: str
    customers: int = 0
    subscriptions: int = 0
    unpriced: int = 0
    current_amount: int = 0
    simulated_amount: int = 0
    outcomes: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    foremost: Mapping[str, Sequence[Customer]] = field(default_factory=lambda: {WINNER: (), LOSER: ()})

    @property
    def difference_amount(self) -> int:
        """What all of them would pay more."""
        return self.simulated_amount - self.current_amount

    @property
    def difference_percent(self) -> str | None:
        """The same in per cent of what they pay."""
        return percent(self.difference_amount, self.current_amount)

    def with_customer(self, customer: Customer) -> Total:
        """The total with one more customer."""
        outcomes = {**self.outcomes, customer.outcome: self.outcomes[customer.outcome] + 1}
        foremost = dict(self.foremost)
        if customer.outcome in foremost:
            foremost[customer.outcome] = _foremost([*foremost[customer.outcome], customer])
        return replace(
            self,
            customers=self.customers + 1,
            subscriptions=self.subscriptions + customer.subscriptions,
            unpriced=self.unpriced + customer.unpriced,
            current_amount=self.current_amount + customer.current_amount,
            simulated_amount=self.simulated_amount + customer.simulated_amount,
            outcomes=outcomes,
            foremost=foremost,
        )

    def as_json(self) -> dict[str, Any]:
        """As JSON values, to be read by `total_of`."""
        return asdict(self)


def _foremost(customers: Iterable[Customer]) -> tuple[Customer, ...]:
    ordered = sorted(customers, key=lambda c: (-abs(c.difference_amount), c.account))
    return tuple(ordered[:FOREMOST])


def total_of(stored: Mapping[str, Any]) -> Total:
    """A total that was stored."""
    foremost = {name: tuple(Customer(**each) for each in some) for name, some in stored["foremost"].items()}
    return Total(**{**stored, "foremost": foremost})


@dataclass
class Summing:
    """Sums under way: totals by currency, and the customer whose subscriptions are still coming."""

    totals: dict[str, Total] = field(default_factory=dict)
    open: Customer | None = None

    def take(self, lines: Iterable[Line]) -> Iterator[tuple[Line, Customer | None]]:
        """Each line, with the customer that is done before it, if one is."""
        for line in lines:
            done = self.close() if self.open is not None and not _of(self.open, line.whose) else None
            self.open = (self.open or _begun(line.whose)).with_line(line)
            yield line, done

    def close(self) -> Customer | None:
        """No further subscription comes of the customer that was last."""
        done, self.open = self.open, None
        if done is not None:
            self.totals[done.currency] = self.totals.get(done.currency, Total(done.currency)).with_customer(done)
        return done

    @property
    def all(self) -> list[Total]:
        """The totals, by currency."""
        return [self.totals[currency] for currency in sorted(self.totals)]

    def as_json(self) -> dict[str, Any]:
        """As JSON values, to be read by `summing_of`."""
        return {
            "totals": [total.as_json() for total in self.all],
            "open": asdict(self.open) if self.open is not None else None,
        }


def summing_of(stored: Mapping[str, Any]) -> Summing:
    """Sums that were stored; an empty mapping is where they begin."""
    totals = [total_of(each) for each in stored.get("totals", ())]
    customer = stored.get("open")
    return Summing({total.currency: total for total in totals}, Customer(**customer) if customer else None)


def _of(customer: Customer, whose: Whose) -> bool:
    return (customer.account, customer.currency) == (whose.account, whose.currency)


def _begun(whose: Whose) -> Customer:
    return Customer(whose.account, whose.account_reference, whose.account_name, whose.currency)
