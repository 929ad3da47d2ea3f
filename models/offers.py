"""How plans go together: what an add-on may be added to, and what a bundle is made of."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Quantity, Recorded, Tenant, ref, unique


class AddOnBasePlan(Base, Tenant, Recorded):
    """A plan that an add-on may be added to. An add-on without any goes with every plan."""

    __tablename__ = "add_on_base_plan"
    __table_args__ = (ref("plan_id", "plan"), ref("base_plan_id", "plan"), unique("plan_id", "base_plan_id"))
    grants: ClassVar[str] = "select, insert, delete"

    plan_id: Mapped[UUID]
    base_plan_id: Mapped[UUID]


class BundleComponent(Base, Tenant, Recorded):
    """A plan that a version of a bundle contains.

    `discount` is the per cent that its recurring and one-off charges are reduced by; usage is paid as the plan says.
    `quantities` is what the bundle holds of the component's charges, by charge code.
    """

    __tablename__ = "bundle_component"
    __table_args__ = (
        ref("plan_version_id", "plan_version"),
        ref("plan_id", "plan"),
        unique("plan_version_id", "plan_id"),
        CheckConstraint("discount BETWEEN 0 AND 100", name="discount"),
        Index("ix_bundle_component_plan", "provider_id", "plan_id"),
    )
    grants: ClassVar[str] = "select, insert"

    plan_version_id: Mapped[UUID]
    position: Mapped[int]
    plan_id: Mapped[UUID]
    quantities: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    discount: Mapped[Quantity] = mapped_column(server_default=text("0"))
