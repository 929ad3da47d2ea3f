"""Price indexes and their values over time."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Currency, Instant, Quantity, Resource, Tenant, external, of_provider, ref, unique


class PriceIndex(Base, Tenant, Resource):
    """A time series of prices, in hourly or quarter-hourly slots. A value is for one `unit`, in the major unit of
    `currency`.
    """

    __tablename__ = "price_index"
    __table_args__ = (
        of_provider(),
        unique("code"),
        external("price_index"),
        CheckConstraint("slot_minutes IN (60, 15)", name="slot_minutes"),
    )
    grants: ClassVar[str] = "select, insert, update (external_id, metadata, name)"

    code: Mapped[str]
    name: Mapped[str]
    unit: Mapped[str]
    currency: Mapped[Currency]
    slot_minutes: Mapped[int]


class IndexValue(Base):
    """The value of the slot that starts at an instant.

    A corrected value is a row of its own, and the one before stays, superseded: what was known when can be asked.
    """

    __tablename__ = "index_value"
    __table_args__ = (
        ref("index_id", "price_index"),
        Index(
            "uq_index_value_current",
            "provider_id",
            "index_id",
            "start_at",
            unique=True,
            postgresql_where=text("superseded_at IS NULL"),
        ),
        CheckConstraint("superseded_at >= recorded_at", name="superseded_at"),
    )
    grants: ClassVar[str] = "select, insert, update (superseded_at)"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    index_id: Mapped[UUID] = mapped_column(primary_key=True)
    start_at: Mapped[Instant] = mapped_column(primary_key=True)
    recorded_at: Mapped[Instant] = mapped_column(primary_key=True)
    value: Mapped[Quantity]
    superseded_at: Mapped[Instant | None]
