"""What a credit note gives back of an invoice, to the cent: in full, by an amount, or line by line.

Everything is worked out from sums: what of the invoice is given back after this note, less what was before. A tax is
that of all net amounts credited so far, less what was credited of it before (domain rule 2); the note that gives back
the last of the lines gives back what is left of every tax and of the rounding amount. So any notes of an invoice add up
to it exactly, and never come to more at any step.

Source: EN 16931-1, BR-CO-17 for the taxes; BT-114 for the rounding amount: an amount to give back includes its tax, and
what no net amount comes to exactly is rounded, as with prices that include their tax.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from billing.tax.amounts import TaxSubtotal, tax_on
from billing.tax.decision import Tax, TaxRate
from core.decimals import EXACT
from core.errors import FieldError, Invalid
from core.money import Money, round_ratio, split_minor

ZERO = Decimal(0)


@dataclass(frozen=True)
class InvoicedLine:
    """A line of a final invoice, and what of it is gone already. Amounts are minor units.

    Args:
        amount: net, as invoiced; negative for a line that took something off.
        charged_amount: as its charges were priced: with tax where they include it, else the net amount.
        credited_amount, credited_charged_amount, credited_quantity: what earlier credit notes gave back of it, with the
            line's sign.
        given_back_amount: net, what later documents gave back of it by charges of their own, with the line's sign.
    """

    id: UUID
    amount: int
    charged_amount: int
    quantity: Decimal
    tax: Tax
    credited_amount: int = 0
    credited_charged_amount: int = 0
    credited_quantity: Decimal = ZERO
    given_back_amount: int = 0

    @property
    def rest(self) -> int:
        """What may still be credited of it, net, with the line's sign."""
        left = self.amount - self.credited_amount - self.given_back_amount
        return left if left * self.amount > 0 else 0

    @property
    def rest_quantity(self) -> Decimal:
        """What of its quantity was not credited by quantity."""
        return EXACT.subtract(self.quantity, self.credited_quantity)


@dataclass(frozen=True)
class Invoiced:
    """A final invoice as far as crediting it needs, with what was credited so far. Amounts are minor units.

    Args:
        taxes: each tax as invoiced, with what was credited of it before.
        rounding_amount, credited_rounding_amount: the same of the rounding amount.
    """

    currency: str
    lines: tuple[InvoicedLine, ...]
    taxes: Mapping[TaxRate, int]
    rounding_amount: int = 0
    credited_taxes: Mapping[TaxRate, int] = field(default_factory=dict)
    credited_rounding_amount: int = 0

    @property
    def total(self) -> int:
        """What was invoiced, all in all."""
        return sum(line.amount for line in self.lines) + sum(self.taxes.values()) + self.rounding_amount

    @property
    def credited(self) -> int:
        """What was credited so far, all in all."""
        net = sum(line.credited_amount for line in self.lines)
        return net + sum(self.credited_taxes.values()) + self.credited_rounding_amount


@dataclass(frozen=True)
class CreditedLine:
    """What a note gives back of a line, net, with the line's sign. `quantity` is None where only an amount is meant."""

    line_id: UUID
    amount: int
    charged_amount: int
    quantity: Decimal | None = None


@dataclass(frozen=True)
class Credit:
    """A credit note to be: the mirror of what it gives back, so a positive total goes to the customer."""

    lines: tuple[CreditedLine, ...]
    net: Money
    taxes: tuple[TaxSubtotal, ...]
    rounding: Money
    total: Money


@dataclass(frozen=True)
class Wanted:
    """What somebody wants to give back of a line: a net amount or a quantity, or with neither all that is left of it.

    Args:
        amount: minor units, counted as on the line: positive gives back a line that charged, and a part of a line that
            took something off is negative.
    """

    line_id: UUID
    amount: int | None = None
    quantity: Decimal | None = None


def in_full(invoiced: Invoiced) -> Credit:
    """All that is left of an invoice; of one that nothing was credited of, its mirror.

    Raises:
        Invalid: `nothing_to_credit`.
    """
    rests = {line.id: line.rest for line in invoiced.lines}
    return _checked(invoiced, _credit(invoiced, rests, _quantities(invoiced)), None)


def rest(invoiced: Invoiced) -> int:
    """What may still be credited, in minor units, taxes included."""
    try:
        return in_full(invoiced).total.minor
    except Invalid:
        return 0


def by_amount(invoiced: Invoiced, amount: int) -> Credit:
    """An amount with its taxes, spread over what is left of the lines, by largest remainder.

    The note comes to this amount exactly. Where no net amount and its taxes do, the difference is its rounding amount.

    Raises:
        Invalid: `nothing_to_credit`, `credit_exceeds_rest`.
    """
    left = in_full(invoiced)
    if amount > left.total.minor:
        raise Invalid("credit_exceeds_rest", f"At most {left.total.minor} of this invoice can be credited.", "/amount")
    return left if amount == left.total.minor else _checked(invoiced, _spread(invoiced, amount, left), "/amount")


def by_lines(invoiced: Invoiced, wanted: Sequence[Wanted]) -> Credit:
    """Parts of lines, net; their taxes come on top.

    Raises:
        Invalid: `line_unknown`, `line_repeated`, `amount_or_quantity`, `credit_exceeds_rest`, `nothing_to_credit`; each
            names its line.
    """
    lines = {line.id: line for line in invoiced.lines}
    errors = [error for i, want in enumerate(wanted) for error in _errors(lines, wanted, i, want)]
    if errors:
        raise Invalid.collect(errors)
    parts = {want.line_id: _part(lines[want.line_id], want) for want in wanted}
    quantities = {want.line_id: quantity for want in wanted if (quantity := _counted(lines[want.line_id], want))}
    return _checked(invoiced, _credit(invoiced, parts, quantities), "/lines")


def share(amount: int, rests: Sequence[int]) -> list[int]:
    """A part of the sum of some amounts, taken from each in proportion, by largest remainder.

    Args:
        amount: between zero and the sum of `rests`, which may be of either sign.

    Returns:
        The parts, in order: they add up to `amount`, and each is between zero and its amount.
    """
    whole = sum(rests)
    if whole == 0:
        return [0] * len(rests)
    gains, losses = [max(r, 0) for r in rests], [max(-r, 0) for r in rests]
    gained = round_ratio(Fraction(amount * sum(gains), whole))
    return [up - down for up, down in zip(_split(gained, gains), _split(gained - amount, losses), strict=True)]


def given_back_net(amount: int, charged_amount: int, given_back: int) -> int:
    """The net part of a line that later charges gave back, with the line's sign: at most the line, never too little.

    Args:
        amount, charged_amount: of the line, net and as its charges were priced.
        given_back: by later charges, as they were priced, above zero. Minor units.
    """
    if given_back <= 0 or charged_amount == 0:
        return 0
    part = min(-(-abs(amount) * given_back // abs(charged_amount)), abs(amount))
    return part if amount > 0 else -part


def cap_on_giving_back(back: int, billed: int, credited: int) -> int:
    """What a later change may still give back of a claim of which credit notes gave back a part.

    Args:
        back: what the change comes to, negative where it gives back. Minor units, as priced.
        billed: the sum of the claim's charges so far.
        credited: what credit notes gave back of them.
    """
    if back >= 0 or credited <= 0:
        return back
    return max(back, min(0, credited - billed))


def _split(total: int, weights: Sequence[int]) -> list[int]:
    if total == 0:
        return [0] * len(weights)
    return split_minor(total, weights)


def _errors(lines: Mapping[UUID, InvoicedLine], wanted: Sequence[Wanted], i: int, want: Wanted) -> Iterable[FieldError]:
    """What is wrong with one of the wanted lines."""
    line = lines.get(want.line_id)
    at = f"/lines/{i}"
    if line is None:
        yield FieldError(f"{at}/line", "line_unknown", "This invoice has no such line.")
    elif any(want.line_id == other.line_id for other in wanted[:i]):
        yield FieldError(f"{at}/line", "line_repeated", "Name each line once.")
    elif want.amount is not None and want.quantity is not None:
        yield FieldError(f"{at}/quantity", "amount_or_quantity", "Name an amount or a quantity, not both.")
    elif want.quantity is not None and want.quantity > line.rest_quantity:
        detail = f"At most {line.rest_quantity.normalize():f} of this line's quantity can be credited."
        yield FieldError(f"{at}/quantity", "credit_exceeds_rest", detail)
    elif not _within(_part(line, want), line.rest):
        member = "line" if want.amount is None and want.quantity is None else None
        member = member or ("amount" if want.quantity is None else "quantity")
        yield FieldError(f"{at}/{member}", "credit_exceeds_rest", f"At most {line.rest} of this line can be credited.")


def _within(part: int, whole: int) -> bool:
    """Whether a part, not zero, is between zero and the whole, on its side."""
    return part != 0 and part * whole > 0 and abs(part) <= abs(whole)


def _part(line: InvoicedLine, want: Wanted) -> int:
    if want.amount is not None:
        return want.amount
    if want.quantity is None:
        return line.rest
    after = EXACT.add(line.credited_quantity, want.quantity)
    return _of_quantity(line, after) - _of_quantity(line, line.credited_quantity)


def _of_quantity(line: InvoicedLine, quantity: Decimal) -> int:
    """What so much of a line's quantity comes to: rounded of the sum, so that parts add up to the line."""
    return round_ratio(line.amount * Fraction(quantity) / Fraction(line.quantity)) if line.quantity else 0


def _counted(line: InvoicedLine, want: Wanted) -> Decimal | None:
    """The quantity that a wanted line shows: the one named, or all of it where all of the line is credited at once."""
    if want.quantity is not None:
        return want.quantity
    untouched = not line.credited_amount and not line.credited_quantity
    return line.quantity if untouched and _part(line, want) == line.amount else None


def _quantities(invoiced: Invoiced) -> dict[UUID, Decimal]:
    counted = {line.id: _counted(line, Wanted(line.id)) for line in invoiced.lines}
    return {line_id: quantity for line_id, quantity in counted.items() if quantity is not None}


def _spread(invoiced: Invoiced, amount: int, left: Credit) -> Credit:
    """The credit of this total whose rounding, with all that was rounded before, is the smallest.

    Net amounts near the proportional one are tried: a step of the net amount moves the total by one, and by one more
    for each tax that it tips over.
    """
    whole, total = left.net.minor, left.total.minor
    near = round_ratio(Fraction(amount * whole, total))
    reach = 2 + len(invoiced.taxes)
    nets = range(max(1, near - reach), min(whole - 1, near + reach) + 1)
    candidates = [_at_net(invoiced, net, amount) for net in nets]
    if not candidates:
        raise Invalid("credit_exceeds_rest", f"Only all of it, {total}, can be credited at once.", "/amount")
    prefers_negative = invoiced.rounding_amount < 0

    def rounded(credit: Credit) -> tuple[int, bool, int]:
        so_far = invoiced.credited_rounding_amount + credit.rounding.minor
        return abs(so_far), (so_far < 0) != prefers_negative, abs(credit.net.minor - near)

    return min(candidates, key=rounded)


def _at_net(invoiced: Invoiced, net: int, total: int) -> Credit:
    """The credit of a net amount, spread over the lines, that comes to a total.

    Lines that are taxed alike are taken together first, so that no tax comes to more than was invoiced.
    """
    groups: dict[tuple[TaxRate, ...], list[InvoicedLine]] = {}
    for line in invoiced.lines:
        groups.setdefault(line.tax.rates, []).append(line)
    rests = [sum(line.rest for line in lines) for lines in groups.values()]
    parts: dict[UUID, int] = {}
    for lines, part in zip(groups.values(), share(net, rests), strict=True):
        parts |= dict(zip((line.id for line in lines), share(part, [line.rest for line in lines]), strict=True))
    return _credit(invoiced, parts, {}, total)


def _credit(
    invoiced: Invoiced, parts: Mapping[UUID, int], quantities: Mapping[UUID, Decimal], total: int | None = None
) -> Credit:
    """The credit of these net parts of lines, by line; with a total to come to, or without.

    Without one nothing is rounded before the last of the lines is credited, unless the notes would come to more than
    the invoice: the last one always has something to give back.
    """
    currency = invoiced.currency
    lines = tuple(_credited(line, part, quantities) for line in invoiced.lines if (part := parts.get(line.id, 0)))
    net = sum(line.amount for line in lines)
    taxes = _taxes(invoiced, parts)
    taxed = net + sum(tax.amount.minor for tax in taxes)
    left = invoiced.total - invoiced.credited
    if all(line.amount == line.credited_amount + parts.get(line.id, 0) for line in invoiced.lines):
        rounding = left - taxed
    elif total is not None:
        rounding = total - taxed
    else:
        over = taxed - (left - 1)
        rounding = -over if 0 < over <= len(taxes) else 0
    return Credit(lines, Money(net, currency), taxes, Money(rounding, currency), Money(taxed + rounding, currency))


def _credited(line: InvoicedLine, part: int, quantities: Mapping[UUID, Decimal]) -> CreditedLine:
    after = line.credited_amount + part
    charged = round_ratio(Fraction(line.charged_amount * after, line.amount))
    return CreditedLine(line.id, part, charged - line.credited_charged_amount, quantities.get(line.id))


def _taxes(invoiced: Invoiced, parts: Mapping[UUID, int]) -> tuple[TaxSubtotal, ...]:
    """Each tax of all that is credited so far, less what was credited of it before; those of no line are left out."""
    nets: dict[TaxRate, int] = dict.fromkeys(invoiced.taxes, 0)
    before, whole = dict(nets), dict(nets)
    shown = {rate for line in invoiced.lines if parts.get(line.id, 0) for rate in line.tax.rates}
    for line in invoiced.lines:
        for rate in line.tax.rates:
            nets[rate] += parts.get(line.id, 0)
            before[rate] += line.credited_amount
            whole[rate] += line.amount
    found = []
    for rate, invoiced_amount in invoiced.taxes.items():
        after = before[rate] + nets[rate]
        due = tax_on(Money(after, invoiced.currency), rate).minor
        if after == whole[rate] or abs(due) > abs(invoiced_amount):  # a tax engine may have rounded in its own way
            due = invoiced_amount
        amount = due - invoiced.credited_taxes.get(rate, 0)
        if rate in shown or amount:
            found.append(TaxSubtotal(rate, Money(nets[rate], invoiced.currency), Money(amount, invoiced.currency)))
    return tuple(found)


def _checked(invoiced: Invoiced, credit: Credit, pointer: str | None) -> Credit:
    """The credit, where it gives something back, and no more than what is left of the invoice and of each tax.

    Lines that took something off count: a line that charged may not be credited beyond what the lines come to together.
    """
    left = invoiced.total - invoiced.credited
    if left <= 0 or not credit.lines:
        raise Invalid("nothing_to_credit", "Nothing of this invoice is left to credit.")
    if credit.total.minor > left or credit.total.minor <= 0 or not _taxes_within(invoiced, credit):
        detail = f"This comes to {credit.total.minor} with its taxes; {left} of the invoice is left to credit."
        raise Invalid("credit_exceeds_rest", detail, pointer)
    return credit


def _taxes_within(invoiced: Invoiced, credit: Credit) -> bool:
    """Whether what is credited of each tax so far is a part of what was invoiced of it."""
    for tax in credit.taxes:
        whole = invoiced.taxes[tax.tax]
        after = invoiced.credited_taxes.get(tax.tax, 0) + tax.amount.minor
        if after * whole < 0 or abs(after) > abs(whole):
            return False
    return True
