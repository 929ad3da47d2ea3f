"""`busbar worker`: the processes that run jobs, and one that keeps the schedule or stands by."""

from __future__ import annotations

import argparse
import logging
import os
from functools import partial

from sqlalchemy import Engine, text

from cli import running
from cli.children import Children
from core.errors import Misconfigured
from runtime import house as houses
from runtime import logs, migrations
from runtime.house import database_url, make_engine
from runtime.settings import Settings, current

log = logging.getLogger(__name__)

POSTGRESQL_LEAST = 15


def run(args: argparse.Namespace) -> int:
    """Check that everything is there, then work until told to stop."""
    settings = current()
    if settings.public_url is None and (server := running.find(settings.data_dir)) is not None:
        os.environ["BUSBAR_PUBLIC_URL"] = server.url
        current.cache_clear()
        settings = current()
    logs.configure(settings)
    prepare(settings)
    from jobs import workers

    lanes = workers.lanes(args.processes or workers.PROCESSES)
    print(f"Working in {len(lanes)} processes, pid {os.getpid()}.", flush=True)
    family = Children(each_round=partial(keep_embedded, settings))
    for number, queues in enumerate(lanes):
        family.add(f"{'-'.join(queues)}-{number}", partial(workers.work_on, queues))
    family.add("schedule", workers.keep_schedule)
    record = running.write_down_worker(settings.data_dir, os.getpid())
    try:
        family.watch()
    finally:
        record.unlink(missing_ok=True)
    return 0


def prepare(settings: Settings) -> None:
    """Start what is embedded; bring an embedded database's schema to this version, refuse another's older one."""
    engine = make_engine(database_url(settings), 1)
    try:
        _refuse_old(engine)
        if settings.embedded_database:
            migrations.upgrade(engine)
        elif migrations.applied(engine) != migrations.head():
            raise Misconfigured("The database's schema is not of this version: run `busbar migrate`.")
    finally:
        engine.dispose()
    houses.queue_url(settings)
    houses.make_kit(settings)


def _refuse_old(engine: Engine) -> None:
    with engine.connect() as connection:
        version = connection.execute(text("SHOW server_version")).scalar_one()
    if int(str(version).partition(".")[0]) < POSTGRESQL_LEAST:
        raise Misconfigured(f"Busbar needs PostgreSQL {POSTGRESQL_LEAST} or newer; BUSBAR_DATABASE_URL is {version}.")


def keep_embedded(settings: Settings) -> None:
    """Start an embedded server again that was killed."""
    try:
        database_url(settings)
        houses.queue_url(settings)
        houses.sandbox_gateway_url(settings)
    except Misconfigured as error:
        log.error("an embedded server does not start", extra={"reason": str(error)})
