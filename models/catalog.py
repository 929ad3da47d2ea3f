"""What is sold: products, meters, plans, their immutable versions and prices."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, Quantity, Recorded, Resource, Tenant, external, of_provider, ref, unique


class Product(Base, Tenant, Resource):
    """What a charge is for, on the invoice and in the books. `nature` decides where it is taxed."""

    __tablename__ = "product"
    __table_args__ = (
        of_provider(),
        unique("code"),
        external("product"),
        CheckConstraint("nature IN ('service', 'goods', 'property')", name="nature"),
    )

    code: Mapped[str]
    name: Mapped[str]
    tax_class: Mapped[str | None]
    nature: Mapped[str] = mapped_column(server_default="service")


class Meter(Base, Tenant, Resource):
    """What is counted for billing. `register` names the register of assigned points that feeds it, if one does."""

    __tablename__ = "meter"
    __table_args__ = (of_provider(), unique("code"), external("meter"))

    code: Mapped[str]
    name: Mapped[str]
    unit: Mapped[str]
    aggregation: Mapped[str]
    parameters: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    register: Mapped[str | None]


class Plan(Base, Tenant, Resource):
    """A named offer; its prices live in versions.

    An add-on may bound its quantities, and name a group (`one_of`) of which a subscription has one at most.
    """

    __tablename__ = "plan"
    __table_args__ = (
        of_provider(),
        unique("code"),
        external("plan"),
        CheckConstraint("kind IN ('base', 'add_on', 'bundle')", name="kind"),
        CheckConstraint(
            "kind = 'add_on' OR (one_of IS NULL AND quantity_least IS NULL AND quantity_most IS NULL)", name="add_on"
        ),
        CheckConstraint("quantity_least <= quantity_most", name="quantity"),
    )

    code: Mapped[str]
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default="base")
    one_of: Mapped[str | None]
    quantity_least: Mapped[Quantity | None]
    quantity_most: Mapped[Quantity | None]


class PlanVersion(Base, Tenant, Recorded):
    """One immutable price list of a plan."""

    __tablename__ = "plan_version"
    __table_args__ = (ref("plan_id", "plan"), unique("plan_id", "number"))
    grants: ClassVar[str] = "select, insert"

    plan_id: Mapped[UUID]
    number: Mapped[int]
    effective_at: Mapped[Instant]
    created_at: Mapped[Instant]
    trial: Mapped[dict[str, Any] | None]


class Price(Base, Tenant, Recorded):
    """One charge of a version. `currencies` maps a currency to the price's JSON (contract: A price).

    A charge that is put on one subscription alone has a price without a version, which is due once; `origin` says what
    such a price was computed from, where it was.
    """

    __tablename__ = "price"
    __table_args__ = (
        ref("plan_version_id", "plan_version"),
        ref("product_id", "product"),
        ref("meter_id", "meter"),
        unique("plan_version_id", "charge_code"),
        CheckConstraint("kind IN ('recurring', 'one_off', 'usage')", name="kind"),
        CheckConstraint("(kind = 'usage') = (meter_id IS NOT NULL)", name="meter"),
        CheckConstraint("timing IN ('advance', 'arrears')", name="timing"),
        CheckConstraint("kind <> 'usage' OR timing = 'arrears'", name="usage_in_arrears"),
        CheckConstraint("proration IN ('day', 'second', 'day_30_360', 'none')", name="proration"),
        CheckConstraint("(interval_unit IS NULL) = (interval_count IS NULL)", name="interval"),
        CheckConstraint("kind = 'one_off' OR interval_unit IS NOT NULL", name="recurs"),
        CheckConstraint("kind = 'one_off' OR plan_version_id IS NOT NULL", name="version"),
    )
    grants: ClassVar[str] = "select, insert"

    plan_version_id: Mapped[UUID | None]
    charge_code: Mapped[str]
    name: Mapped[str]
    position: Mapped[int]
    product_id: Mapped[UUID]
    kind: Mapped[str]
    interval_unit: Mapped[str | None]
    interval_count: Mapped[int | None]
    timing: Mapped[str]
    proration: Mapped[str]
    meter_id: Mapped[UUID | None]
    tax_inclusive: Mapped[bool] = mapped_column(server_default=text("false"))
    currencies: Mapped[dict[str, Any]]
    origin: Mapped[dict[str, Any] | None]


class PriceCorrection(Base, Tenant, Recorded):
    """A price that was wrong from the start, as it should have been: `currencies` takes the place of the price's own.

    The latest one holds. What was billed before is adjusted, and keeps the price that it was billed on.
    """

    __tablename__ = "price_correction"
    __table_args__ = (ref("price_id", "price"), Index("ix_price_correction_price", "provider_id", "price_id", "id"))
    grants: ClassVar[str] = "select, insert"

    price_id: Mapped[UUID]
    currencies: Mapped[dict[str, Any]]
    reason: Mapped[str]
    created_at: Mapped[Instant]
