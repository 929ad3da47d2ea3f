"""What charges are taxed with: facts of sellers, payers and products, put to the engine that each seller has chosen.

An engine outside is asked before a run locks its payers, once for many; what it answered is kept under the question,
and is what documents are taxed by.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import and_, select
from sqlalchemy.dialects.postgresql import distinct_on

from billing.tax import Tax, flat, rate_json, read_rate
from billing.tax.facts import (
    STANDARD_CLASS,
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
    question_json,
)
from billing.tax.rates import RateTable
from core.errors import Conflict
from core.ids import encode, new_id
from events.sending import NoAnswer as NotAnswered
from events.sending import ask
from events.signing import headers
from models.accounts import Account
from models.catalog import Product
from models.providers import Seller
from models.taxes import TaxAnswer, TaxCertificate
from services import tax_rates
from services.clock import system_now
from services.context import Context
from services.sellers import TAX_ENDPOINT
from services.sets import add_rows, among
from stores.statements import chunks
from tax_engines.port import Answer, NoAnswer, Setup, engine

# So many questions travel in one request at most.
QUESTIONS_MOST = 1_000
FLAT = "flat_rate"


@dataclass(frozen=True)
class Wanted:
    """Whose charge is to be taxed: by whom it is sold, who pays, for what product."""

    seller_id: UUID
    payer_id: UUID
    product_id: UUID


def decided(
    ctx: Context, wanted: Collection[Wanted], sellers: Mapping[UUID, Any], bill_on: Mapping[UUID, date]
) -> Mapping[Wanted, Tax]:
    """What charges are taxed with on their payers' bill dates, in a fixed number of queries.

    Args:
        sellers: with `tax_engine`, `tax_rate`, `tax_name`, by id.

    Raises:
        Conflict: `tax_rate_unknown`, `tax_engine_unavailable` or another reason why one cannot be decided.
    """
    simple = {w: w.seller_id for w in wanted if sellers[w.seller_id].tax_engine == FLAT}
    flats = {i: flat(sellers[i].tax_rate, sellers[i].tax_name) for i in set(simple.values())}
    found: dict[Wanted, Tax] = {w: flats[i] for w, i in simple.items()}
    questions = _questions(ctx, [w for w in wanted if w not in simple], bill_on)
    for w, answer in _answered(ctx, questions).items():
        if isinstance(answer, Undecided):
            raise Conflict(answer.code, f"{encode('account', w.payer_id)}: {answer.detail}")
        found[w] = answer
    return found


def wanted_of(charge: Mapping[str, Any]) -> Wanted:
    """Whose a charge is, as far as its tax goes."""
    return Wanted(charge["seller_id"], charge["payer_id"], charge["product_id"])


def ask_outside(ctx: Context, bill_on: Mapping[UUID, date]) -> Mapping[UUID, Undecided]:
    """Ask the engines outside about all that these payers may be billed for, before anything of them is locked.

    Args:
        bill_on: the payers, each with its bill date.

    Returns:
        The payers that cannot be billed now, each with the reason.
    """
    rows = ctx.session.execute(
        select(Account.seller_id, Account.payer_id, Seller.tax_engine)
        .join(Seller, and_(Seller.provider_id == Account.provider_id, Seller.id == Account.seller_id))
        .where(Account.provider_id == ctx.provider.id, among(Account.payer_id, bill_on), Seller.tax_engine != FLAT)
        .distinct()
    ).all()
    pairs = [(row.seller_id, row.payer_id) for row in rows if engine(row.tax_engine).outside]
    if not pairs:
        return {}
    columns = (Product.tax_class, Product.nature)
    products = (
        ctx.session.execute(
            select(Product.id)
            .where(Product.provider_id == ctx.provider.id)
            .ext(distinct_on(*columns))
            .order_by(*columns)
        )
        .scalars()
        .all()
    )
    wanted = [Wanted(seller, payer, product) for seller, payer in pairs for product in products]
    answers = _answered(ctx, _questions(ctx, wanted, bill_on))
    return {w.payer_id: answer for w, answer in answers.items() if isinstance(answer, Undecided)}


Questions = Mapping[Wanted, tuple[Seller, Question]]


def _questions(ctx: Context, wanted: Collection[Wanted], bill_on: Mapping[UUID, date]) -> Questions:
    """The facts, each read once."""
    if not wanted:
        return {}

    def rows(table: Any, ids: Iterable[UUID]) -> dict[UUID, Any]:
        found = ctx.session.scalars(select(table).where(table.provider_id == ctx.provider.id, among(table.id, ids)))
        return {row.id: row for row in found}

    sellers = rows(Seller, {w.seller_id for w in wanted})
    payers = rows(Account, {w.payer_id for w in wanted})
    products = rows(Product, {w.product_id for w in wanted})
    certificates = _certificates(ctx, payers)
    sells = {key: _seller(row) for key, row in sellers.items()}
    pays = {key: _payer(row, certificates[key], bill_on[key]) for key, row in payers.items()}
    supplies = {key: Supply(row.tax_class or STANDARD_CLASS, row.nature) for key, row in products.items()}
    return {
        w: (
            sellers[w.seller_id],
            Question(sells[w.seller_id], pays[w.payer_id], supplies[w.product_id], bill_on[w.payer_id]),
        )
        for w in wanted
    }


def _certificates(ctx: Context, payers: Collection[UUID]) -> defaultdict[UUID, list[TaxCertificate]]:
    rows = ctx.session.scalars(
        select(TaxCertificate)
        .where(TaxCertificate.provider_id == ctx.provider.id, among(TaxCertificate.account_id, payers))
        .order_by(TaxCertificate.id)
    )
    found: defaultdict[UUID, list[TaxCertificate]] = defaultdict(list)
    for row in rows:
        found[row.account_id].append(row)
    return found


def _seller(row: Seller) -> SellerFacts:
    registrations = tuple(
        Registration(
            country=listed["country"],
            region=listed.get("region", "").removeprefix(f"{listed['country']}-"),
            scheme=listed["scheme"],
            number=listed.get("number", ""),
            note=listed.get("note", ""),
            valid=Validity(_day(listed.get("valid_from")), _day(listed.get("valid_to"))),
        )
        for listed in row.tax_registrations
    )
    place = place_of(row.country, row.address)
    return SellerFacts(place, row.tax_id or "", row.tax_name, registrations, row.tax_ids_checked)


def _day(written: str | None) -> date | None:
    return date.fromisoformat(written) if written else None


def _payer(row: Account, certificates: Sequence[TaxCertificate], on: date) -> PayerFacts:
    held = [(certificate, Validity(certificate.valid_from, certificate.valid_to)) for certificate in certificates]
    return PayerFacts(
        place=place_of(row.country, row.address),
        tax_id=row.tax_id or "",
        checked=row.tax_id_checked_on is not None,
        business=row.tax_status == "business" or (row.tax_status is None and row.tax_id is not None),
        certificates=tuple(
            Certificate(*(c.number, Place(c.country, c.region), c.tax_class or "", c.reason or "", c.note or "", valid))
            for c, valid in held
            if valid.holds(on)
        ),
        language=row.locale or "en",
    )


def _answered(ctx: Context, questions: Questions) -> dict[Wanted, Answer]:
    """The answer to each question, by the engine of its seller."""
    by_seller: defaultdict[UUID, list[Wanted]] = defaultdict(list)
    for w in questions:
        by_seller[w.seller_id].append(w)
    found: dict[Wanted, Answer] = {}
    for its in by_seller.values():
        seller = questions[its[0]][0]
        asked = {w: questions[w][1] for w in its}
        answer = _kept if engine(seller.tax_engine).outside else _at_once
        found |= answer(ctx, seller, asked)
    return found


def _at_once(ctx: Context, seller: Seller, questions: Mapping[Wanted, Question]) -> dict[Wanted, Answer]:
    countries = {seller.country} | {question.payer.place.country for question in questions.values()}
    setup = Setup(seller.tax_rate, seller.tax_name, tax_rates.table(ctx, countries), _nowhere)
    answers = engine(seller.tax_engine).decide(setup, list(questions.values()))
    return dict(zip(questions, answers, strict=True))


def _nowhere(body: bytes) -> bytes:
    raise NoAnswer("This engine has no endpoint.")


def _kept(ctx: Context, seller: Seller, questions: Mapping[Wanted, Question]) -> dict[Wanted, Answer]:
    """What was answered before, and what is answered now; only answers are kept, so that a failure is asked again."""
    keys = {w: _digest(seller.id, question) for w, question in questions.items()}
    rows = ctx.session.execute(
        select(TaxAnswer.sha256, TaxAnswer.answer).where(
            TaxAnswer.provider_id == ctx.provider.id, among(TaxAnswer.sha256, set(keys.values()))
        )
    )
    known: dict[bytes, Answer] = {row.sha256: Tax(tuple(map(read_rate, row.answer))) for row in rows}
    missing = {keys[w]: question for w, question in questions.items() if keys[w] not in known}
    setup = Setup(seller.tax_rate, seller.tax_name, RateTable(()), _post(ctx, seller))
    for some in chunks(list(missing.items()), QUESTIONS_MOST):
        answers = engine(seller.tax_engine).decide(setup, [question for _, question in some])
        fresh = {key: answer for (key, _), answer in zip(some, answers, strict=True)}
        _keep(ctx, missing, fresh)
        known |= fresh
    return {w: known[key] for w, key in keys.items()}


def _keep(ctx: Context, questions: Mapping[bytes, Question], answers: Mapping[bytes, Answer]) -> None:
    rows = [
        {
            "provider_id": ctx.provider.id,
            "sha256": key,
            "question": question_json(questions[key]),
            "answer": [rate_json(rate) for rate in answer.rates],
            "created_at": ctx.now,
        }
        for key, answer in answers.items()
        if isinstance(answer, Tax)
    ]
    add_rows(ctx, TaxAnswer, rows, pass_over_known=True)


def _digest(seller_id: UUID, question: Question) -> bytes:
    facts = {"seller": str(seller_id), "question": question_json(question)}
    return hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).digest()


def _post(ctx: Context, seller: Seller) -> Callable[[bytes], bytes]:
    """How the seller's endpoint is asked: signed with its secret, as our webhooks are."""
    url, sealed = seller.tax_endpoint, seller.tax_endpoint_secret
    assert url is not None  # a seller with an engine outside has both
    assert sealed is not None
    secret = ctx.kit.cipher.open(sealed, provider_id=ctx.provider.id, purpose=TAX_ENDPOINT)

    def post(body: bytes) -> bytes:
        signed = headers(f"tax_{new_id().hex}", system_now(), body, [secret])
        try:
            return ask(url, signed, body, private=ctx.kit.webhooks_may_be_private)
        except NotAnswered as failed:
            raise NoAnswer(f"The tax engine does not answer: {failed}") from None

    return post
