"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.rules import as_login, as_owner
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    as_owner()
    ${upgrades if upgrades else "pass"}
    as_login()


def downgrade() -> None:
    as_owner()
    ${downgrades if downgrades else "pass"}
    as_login()
