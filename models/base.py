"""What tables share: naming, the tenant's key, references between rows of one tenant, common columns."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    CHAR,
    TIMESTAMP,
    BigInteger,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Numeric,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMES = {
    "pk": "pk_%(table_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
}

Instant = Annotated[datetime, mapped_column(TIMESTAMP(timezone=True))]
Currency = Annotated[str, mapped_column(CHAR(3))]
Minor = Annotated[int, mapped_column(BigInteger)]
Quantity = Annotated[Decimal, mapped_column(Numeric(38, 12))]
# An exact product of a quantity and a price has more places than either; it is stored whole.
Exact = Annotated[Decimal, mapped_column(Numeric)]


class Base(DeclarativeBase):
    """All tables. `grants` and `dispatch` are read by the generator of the tables' migration.

    Class attributes of a table:
        grants: what the application's role may do with it.
        dispatch: the columns that the dispatching role may read, over all tenants, to find work; none by default.
        tenant: whether a policy keeps tenants apart (all tables but two).
    """

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        UUID: Uuid(),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        datetime: TIMESTAMP(timezone=True),
    }
    grants: ClassVar[str] = "select, insert, update"
    dispatch: ClassVar[tuple[str, ...]] = ()
    tenant: ClassVar[bool] = True


class Tenant:
    """A row of a tenant. The primary key begins with the provider, so it is the UNIQUE (provider_id, id) that
    references need.
    """

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)


class Recorded:
    """When the row was written, by the machine's clock."""

    recorded_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))


class Resource(Recorded):
    """What every resource of the contract carries. `created_at` is business time."""

    external_id: Mapped[str | None]
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=text("'{}'::jsonb"))
    created_at: Mapped[Instant]


def of_provider() -> ForeignKeyConstraint:
    """For tables that reference no other row of their tenant."""
    return ForeignKeyConstraint(["provider_id"], ["provider.id"])


def ref(column: str, table: str, *, deferred: bool = False) -> ForeignKeyConstraint:
    """A reference to a row of the same tenant: a policy alone would not stop a reference to another's."""
    return ForeignKeyConstraint(
        ["provider_id", column],
        [f"{table}.provider_id", f"{table}.id"],
        deferrable=deferred or None,
        initially="DEFERRED" if deferred else None,
    )


def external(table: str) -> Index:
    """`external_id` is unique per provider and kind."""
    return Index(
        f"uq_{table}_external_id",
        "provider_id",
        "external_id",
        unique=True,
        postgresql_where=text("external_id IS NOT NULL"),
    )


def unique(*columns: str) -> UniqueConstraint:
    """Unique within the provider."""
    return UniqueConstraint("provider_id", *columns)
