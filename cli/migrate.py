"""`busbar migrate`."""

from __future__ import annotations

import argparse

from core.errors import Misconfigured
from runtime import migrations
from runtime.house import database_url, make_engine
from runtime.settings import current


def run(args: argparse.Namespace) -> int:
    """Move the schema and say from where to where."""
    from alembic.script.revision import ResolutionError
    from alembic.util.exc import CommandError

    engine = make_engine(database_url(current()), 2)
    before = migrations.applied(engine)
    try:
        if args.to == "base" or _is_older(args.to, before):
            migrations.downgrade(engine, args.to)
        else:
            migrations.upgrade(engine, args.to)
    except (CommandError, ResolutionError) as error:
        raise Misconfigured(f"{error} (known: {', '.join(migrations.known())}, base, head)") from None
    after = migrations.applied(engine)
    print(f"The schema is at {after or 'base'}" + (" already." if before == after else f", from {before or 'empty'}."))
    return 0


def _is_older(revision: str, applied: str | None) -> bool:
    known = migrations.known()
    return revision in known and applied in known and known.index(revision) < known.index(applied)
