"""Taxes: a provider's own rates, certificates that exempt accounts, and what engines outside have answered."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, Quantity, Recorded, Resource, Tenant, external, of_provider, ref

# Two rates of one place, class and jurisdiction exclude each other while both are valid. Equality of many columns is
# that of their hash, since the embedded database has no btree_gist.
PLACE = (
    "md5(provider_id::text || chr(31) || country || chr(31) || lower(region) || chr(31) || lower(county) || chr(31) ||"
    " lower(city) || chr(31) || tax_class || chr(31) || lower(jurisdiction))::uuid"
)


class TaxRate(Base, Tenant, Resource):
    """A rate of a provider: for a place, a class of products and a stretch of days, both ends included.

    A place is a country, a region of it, a county or a city; "" stands for all. A `stacked` rate is taken beside those
    of the wider places, any other takes their place.
    """

    __tablename__ = "tax_rate"
    __table_args__ = (
        of_provider(),
        external("tax_rate"),
        ExcludeConstraint(
            (text(f"uuidrange({PLACE}, {PLACE}, '[]')"), "&&"),
            (text("daterange(valid_from, valid_to, '[]')"), "&&"),
            using="gist",
            name="ex_tax_rate_valid",
        ),
        CheckConstraint("rate >= 0 AND rate <= 100", name="rate"),
        CheckConstraint("category IN ('S', 'Z', 'E') AND (category = 'S' OR rate = 0)", name="category"),
        CheckConstraint("category <> 'E' OR note IS NOT NULL", name="note"),
        CheckConstraint("valid_to >= valid_from", name="valid"),
        CheckConstraint("(county = '' AND city = '') OR region <> ''", name="region"),
        Index("ix_tax_rate_country", "provider_id", "country"),
    )
    grants: ClassVar[str] = "select, insert, update (external_id, metadata, name, note, valid_to), delete"

    country: Mapped[str]
    region: Mapped[str] = mapped_column(server_default="")
    county: Mapped[str] = mapped_column(server_default="")
    city: Mapped[str] = mapped_column(server_default="")
    tax_class: Mapped[str]
    jurisdiction: Mapped[str] = mapped_column(server_default="")
    name: Mapped[str]
    rate: Mapped[Quantity]
    category: Mapped[str]
    reason: Mapped[str | None]
    note: Mapped[str | None]
    stacked: Mapped[bool] = mapped_column(server_default=text("false"))
    valid_from: Mapped[date] = mapped_column(Date)
    valid_to: Mapped[date | None] = mapped_column(Date)


class TaxCertificate(Base, Tenant, Resource):
    """A paper that exempts an account from tax in a country or a region of it; both ends of its validity included."""

    __tablename__ = "tax_certificate"
    __table_args__ = (
        ref("account_id", "account"),
        external("tax_certificate"),
        CheckConstraint("valid_to >= valid_from", name="valid"),
        Index("ix_tax_certificate_account", "provider_id", "account_id", "id"),
    )
    grants: ClassVar[str] = "select, insert, update (external_id, metadata, document, valid_to)"

    account_id: Mapped[UUID]
    number: Mapped[str]
    country: Mapped[str]
    region: Mapped[str] = mapped_column(server_default="")
    tax_class: Mapped[str | None]
    reason: Mapped[str | None]
    note: Mapped[str | None]
    document: Mapped[str | None]
    valid_from: Mapped[date] = mapped_column(Date)
    valid_to: Mapped[date | None] = mapped_column(Date)


class TaxAnswer(Base, Recorded):
    """What an engine outside has answered to a question, under the question's SHA-256: asked once, kept as evidence."""

    __tablename__ = "tax_answer"
    __table_args__ = (of_provider(),)
    grants: ClassVar[str] = "select, insert"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    question: Mapped[dict[str, Any]]
    answer: Mapped[list[Any]]
    created_at: Mapped[Instant]
