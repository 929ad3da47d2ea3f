"""The document as strings in the order they are printed: the last step before the template, which only draws."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from babel import Locale

from exports.document import (
    DEFAULT_COLOUR,
    ISSUED,
    BankDetails,
    BeneficiaryGroup,
    Corrected,
    DocumentLine,
    InvoiceDocument,
    LineReduction,
    SubscriptionGroup,
)
from exports.figures import FALLBACK, Figures, parse_locale
from exports.invoice_pdf.labels import ENGLISH, LANGUAGES

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LONG_WORD = re.compile(r"\S{32,}")
_CHUNK = re.compile(r"(\S{16})(?=\S)")
_BREAK = "\N{ZERO WIDTH SPACE}"
# So many corrected invoices are named on paper; the credit note itself names them all.
CORRECTED_MOST = 6
# A line may break between a minus and the sign of a currency, unless they are joined.
_MINUS, _JOINED = "\N{MINUS SIGN}", "\N{WORD JOINER}"


class Page:
    """One document on its way to the template."""

    def __init__(self, document: InvoiceDocument) -> None:
        self.document = document
        locale = parse_locale(document.locale)
        if locale.language not in LANGUAGES:
            locale = FALLBACK  # figures of one language beside words of another would be misread
        self.locale: Locale = locale
        self.labels = LANGUAGES.get(locale.language, ENGLISH)
        zone = Figures.of(document.locale, document.time_zone, document.currency).zone
        self.figures = Figures(locale, zone, document.currency)

    def say(self, label: str, **values: str) -> str:
        """A label with its places filled."""
        return self.labels[label].format(**values)

    def data(self) -> dict[str, Any]:
        """What the template reads, as JSON can carry it."""
        document, seller = self.document, self.document.seller
        return {
            "lang": self.locale.language,
            "region": self.locale.territory,
            "title": " ".join(filter(None, [self.say(document.kind), document.number])),
            "heading": self.say(document.kind),
            "author": seller.legal_name,
            "number": document.number or self.say("draft"),
            "colour": seller.colour if _COLOUR.fullmatch(seller.colour) else DEFAULT_COLOUR,
            "logo": seller.logo and {"kind": seller.logo.kind, "bytes": list(seller.logo.content)},
            "watermark": self._watermark(),
            "page": self.labels["page"],
            "seller": wrap(seller.name),
            "parties": [self._buyer(), self._seller()],
            "facts": self._facts(),
            "due": self._due(),
            "columns": [
                self.say("description"),
                self.say("quantity"),
                self.say("unit_price"),
                f"{self.say('amount')} ({document.currency})",
            ],
            "groups": [self._beneficiary(group) for group in document.groups],
            "totals": self._totals(),
            "cost_centres": self._cost_centres(),
            "payment": self._payment(),
            "notes_title": self.say("notes"),
            "notes": [wrap(note) for note in self._notes()],
            "foot": self._foot(),
        }

    def _buyer(self) -> dict[str, Any]:
        buyer = self.document.buyer
        tax = [self.say("tax_id", id=buyer.tax_id)] if buyer.tax_id else []
        return {
            "label": self.say("billed_to"),
            "name": wrap(buyer.name),
            "lines": [wrap(line) for line in filter(None, [*buyer.address, self._country(buyer.country), *tax])],
        }

    def _seller(self) -> dict[str, Any]:
        seller = self.document.seller
        lines = [*seller.address, self._country(seller.country), seller.email]
        return {
            "label": self.say("from"),
            "name": wrap(seller.legal_name),
            "lines": [wrap(line) for line in filter(None, lines)],
        }

    def _country(self, code: str) -> str:
        return str(self.locale.territories.get(code.upper(), code))

    def _facts(self) -> list[list[str]]:
        document, figures = self.document, self.figures
        facts = [
            ("number" if document.kind == "invoice" else "document_number", document.number),
            (self._dated(), figures.date(document.issued_on)),
            *(("corrects", f"{each.number}, {_whole(figures.date(each.issued_on))}") for each in self._corrected()),
            ("corrects", self._more_corrected()),
            ("due_on", document.due_on and figures.date(document.due_on)),
            ("supply", document.supply and figures.span(document.supply)),
            ("purchase_order", document.purchase_order),
            ("cost_centre", document.cost_centre),
            ("customer", document.buyer.reference),
        ]
        return [[self.say(label), wrap(value)] for label, value in facts if value]

    def _dated(self) -> str:
        return {"invoice": "issued_on", "credit_note": "dated"}.get(self.document.kind, "as_of")

    def _corrected(self) -> Sequence[Corrected]:
        return self.document.corrects[:CORRECTED_MOST]

    def _more_corrected(self) -> str:
        more = len(self.document.corrects) - CORRECTED_MOST
        return self.say("more", number=str(more)) if more > 0 else ""

    def _due(self) -> dict[str, str]:
        document = self.document
        if document.kind != "invoice":
            label, by = {
                "credit_note": ("credited", "for_you"),
                "pro_forma": ("would_come_to", "nothing_is_due"),
                "statement": ("not_billed", "without_tax"),
            }[document.kind]
            return {
                "label": self.say(label),
                "amount": self.figures.money(document.total_amount),
                "by": self.say(by),
            }
        if document.watermark == "void":
            return {"label": self.say("void"), "amount": self.figures.money(0), "by": self.say("nothing_due")}
        if document.due_amount <= 0:
            return {"label": self.say("nothing_due"), "amount": self.figures.money(document.due_amount), "by": ""}
        by = self.say("due_by", date=self.figures.date(document.due_on)) if document.due_on else ""
        return {"label": self.say("amount_due"), "amount": self.figures.money(document.due_amount), "by": by}

    def _beneficiary(self, group: BeneficiaryGroup) -> dict[str, Any]:
        alone = len(self.document.groups) == 1 and group.name == self.document.buyer.name
        return {
            "title": "" if alone else wrap(group.name),
            "reference": wrap(group.reference),
            "amount": self.figures.amount(group.amount),
            "subscriptions": [self._subscription(subscription) for subscription in group.subscriptions],
        }

    def _subscription(self, group: SubscriptionGroup) -> dict[str, Any]:
        """A cost centre that all its lines have stands once, at the head; otherwise each line says its own."""
        centres = {line.cost_centre for line in group.lines}
        common = centres.pop() if len(centres) == 1 else ""
        known = [group.reference, self._named("purchase_order", group.purchase_order, self.document.purchase_order)]
        return {
            "title": wrap(group.name),
            "reference": wrap(" · ".join(filter(None, [*known, self._centre(common)]))),
            "amount": self.figures.amount(group.amount),
            "lines": [self._line(line, "" if common else self._centre(line.cost_centre)) for line in group.lines],
        }

    def _centre(self, name: str) -> str:
        return self._named("cost_centre", name, self.document.cost_centre)

    def _named(self, label: str, value: str, of_document: str) -> str:
        """What is told at the head of the document is not told again."""
        return f"{self.say(label)} {value}" if value and value != of_document else ""

    def _line(self, line: DocumentLine, centre: str) -> dict[str, str]:
        small = [
            self.figures.span(line.span) if line.span else "",
            self.say("so_far") if line.so_far else "",
            line.quality_note,
            "" if line.with_tax is None else self.say("with_tax", amount=self.figures.money(line.with_tax)),
            *map(self._reduction, line.reductions),
            centre,
        ]
        several = self.say("prices", number=str(line.prices)) if line.prices > 1 else line.price_note
        price = several if line.unit_price is None else self.figures.price(line.unit_price)
        return {
            "description": wrap(line.description),
            "small": wrap(" · ".join(filter(None, small))),
            "quantity": "" if line.quantity is None else self.figures.quantity(line.quantity, line.unit),
            "price": wrap(price),
            "amount": self.figures.amount(line.amount),
        }

    def _reduction(self, reduction: LineReduction) -> str:
        """`Welcome, 10 %: −31.00`."""
        percent = f", {self.figures.rate(reduction.percent)}" if reduction.percent is not None else ""
        return f"{reduction.name}{percent}: {self.figures.amount(-reduction.amount)}"

    def _totals(self) -> list[dict[str, str]]:
        """Each sum with how it is drawn: `plain`, `total` (under a rule) or `due` (in the brand's colour)."""
        document, money = self.document, self.figures.money
        if document.kind == "statement":
            return [{"style": "total", "label": self.say("not_billed"), "amount": money(document.total_amount)}]
        rows = [("plain", self.say("subtotal"), document.subtotal_amount)]
        for tax in document.taxes:
            net = money(tax.net_amount).replace(_MINUS, _MINUS + _JOINED)
            name = " ".join(filter(None, [tax.name, tax.jurisdiction]))
            shown = " ".join(filter(None, [self.figures.rate(tax.rate), tax.note and f"({tax.category})"]))
            label = self.say("tax_on", name=name, rate=shown, net=net)
            rows.append(("plain", label, tax.tax_amount))
        if document.rounding_amount:
            rows.append(("plain", self.say("rounding"), document.rounding_amount))
        rows.append(("total", self.say("total"), document.total_amount))
        if document.settled_amount and document.watermark != "void":
            rows.append(("plain", self.say("settled"), -document.settled_amount))
            rows.append(("due", self.say("amount_due"), document.due_amount))
        return [{"style": style, "label": label, "amount": money(amount)} for style, label, amount in rows]

    def _cost_centres(self) -> dict[str, Any] | None:
        """What each cost centre pays, where the lines have any."""
        if not self.document.cost_centres:
            return None
        rows = [
            [wrap(each.name) or self.say("no_cost_centre"), self.figures.amount(each.amount)]
            for each in self.document.cost_centres
        ]
        return {"title": self.say("by_cost_centre"), "rows": rows}

    def _watermark(self) -> str | None:
        if self.document.kind == "pro_forma":
            return self.say("pro_forma")
        return self.document.watermark and self.say(self.document.watermark)

    def _payment(self) -> dict[str, Any] | None:
        """How to pay, while there is something to pay on a document that stands."""
        document, payment = self.document, self.document.payment
        if document.due_amount <= 0 or document.watermark == "void" or document.kind != "invoice":
            return None
        texts, facts = [], []
        if payment.card:
            values = {"brand": payment.card.brand, "last4": payment.card.last4}
            on = payment.card.charged_on
            texts.append(
                self.say("card_on", date=self.figures.date(on), **values) if on else self.say("card_now", **values)
            )
        elif payment.bank:
            texts.append(self.say("transfer", amount=self.figures.money(document.due_amount)))
            facts = [*self._bank(payment.bank), ("reference", payment.reference or document.number or "")]
        if payment.text:
            texts.append(payment.text)
        shown = [[self.say(label), wrap(value)] for label, value in facts if value]
        return {"title": self.say("how_to_pay"), "texts": texts, "facts": shown} if texts else None

    def _bank(self, bank: BankDetails) -> Iterable[tuple[str, str]]:
        return [
            ("holder", bank.holder),
            ("iban", iban_in_fours(bank.iban)),
            ("bic", bank.bic),
            ("account_number", bank.account_number),
            ("bank_code", bank.bank_code),
            ("bank", bank.bank_name),
        ]

    def _notes(self) -> list[str]:
        grounds = [tax.note for tax in self.document.taxes if tax.note]
        apart = self.document.lines_apart
        words = "lines_summed" if self.document.kind == "credit_note" else "lines_apart"
        summed = [self.say(words, lines=self.figures.quantity(Decimal(apart), ""))] if apart else []
        about = [self.say(f"{self.document.kind}_note")] if self.document.kind not in ISSUED else []
        return [*about, *summed, *dict.fromkeys(grounds), *self.document.notes]

    def _foot(self) -> list[str]:
        seller = self.document.seller
        ids = [
            self.say("tax_id", id=seller.tax_id) if seller.tax_id else "",
            self.say("registration", id=seller.registration) if seller.registration else "",
        ]
        bank = [f"IBAN {iban_in_fours(seller.bank.iban)}" if seller.bank and seller.bank.iban else ""]
        reach = [seller.website, seller.email, seller.phone]
        rows = [[seller.legal_name, *ids, *bank], reach]
        return [wrap(" · ".join(filter(None, row))) for row in rows if any(row)]


def _whole(text: str) -> str:
    """The same text on one line."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def wrap(text: str) -> str:
    """The same text, with places to break in words too long for a column."""
    return _LONG_WORD.sub(lambda word: _CHUNK.sub(rf"\1{_BREAK}", word[0]), text)


def iban_in_fours(iban: str) -> str:
    """An IBAN as ISO 13616 prints it: groups of four."""
    bare = re.sub(r"\s", "", iban)
    return "\N{NO-BREAK SPACE}".join(bare[i : i + 4] for i in range(0, len(bare), 4))
