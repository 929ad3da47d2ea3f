"""I11 and I12, attacked by plain SQL as the application's role."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.context import Context
from tests.conftest import Open

ACCOUNT = text(
    "INSERT INTO account"
    " (provider_id, id, seller_id, parent_id, payer_id, path, name, currency, country, time_zone, created_at)"
    " SELECT s.provider_id, :id, s.id, :parent, :payer, CAST(:path AS uuid[]), 'A', 'EUR', 'NL', 'UTC', :now"
    " FROM seller s"
)


def add(
    ctx: Context,
    account: UUID,
    *,
    parent: UUID | None = None,
    payer: UUID | None = None,
    path: list[UUID] | None = None,
) -> None:
    ctx.session.execute(
        ACCOUNT, {"id": account, "parent": parent, "payer": payer or account, "path": path or [account], "now": ctx.now}
    )


def test_an_account_cannot_be_moved_under_its_child(open_unit: Open) -> None:
    root, child = uuid4(), uuid4()
    with open_unit() as ctx:
        add(ctx, root)
        add(ctx, child, parent=root, payer=root, path=[root, child])
    for change in (f"parent_id = '{child}'", f"payer_id = '{child}'", f"path = ARRAY['{child}', '{root}']::uuid[]"):
        with pytest.raises(DBAPIError, match="permission denied"), open_unit() as ctx:
            ctx.session.execute(text(f"UPDATE account SET {change} WHERE id = :root"), {"root": root})


def test_an_accounts_path_and_payer_follow_from_its_parent(open_unit: Open) -> None:
    root, stranger, child = uuid4(), uuid4(), uuid4()
    with open_unit() as ctx:
        add(ctx, root)
        add(ctx, stranger)
    with pytest.raises(DBAPIError, match="follow from its parent"), open_unit() as ctx:
        add(ctx, child, parent=root, payer=root, path=[stranger, child])
    with pytest.raises(DBAPIError, match="follow from its parent"), open_unit() as ctx:
        add(ctx, child, parent=root, payer=stranger, path=[root, child])


def test_a_change_of_state_by_plain_sql_leaves_an_audit_row(open_unit: Open) -> None:
    account = uuid4()
    with open_unit() as ctx:
        add(ctx, account)
    with open_unit() as ctx:
        ctx.session.execute(text("UPDATE account SET email = 'a@example.com' WHERE id = :id"), {"id": account})
        now = ctx.now
    with open_unit() as ctx:
        rows = ctx.session.execute(
            text(
                "SELECT action, actor, at, before->>'email' AS old, after->>'email' AS new"
                " FROM audit WHERE object_id = :id ORDER BY number"
            ),
            {"id": account},
        ).all()
    assert [(r.action, r.actor, r.at, r.old, r.new) for r in rows] == [
        ("created", "test", now, None, None),
        ("changed", "test", now, None, "a@example.com"),
    ]


@pytest.mark.parametrize("attack", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"])
def test_the_audit_trail_cannot_be_rewritten(open_unit: Open, attack: str) -> None:
    with open_unit() as ctx:
        add(ctx, uuid4())
    with pytest.raises(DBAPIError, match="permission denied"), open_unit() as ctx:
        ctx.session.execute(text(attack))
