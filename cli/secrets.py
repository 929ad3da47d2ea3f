"""`busbar secrets rotate`."""

from __future__ import annotations

import argparse

from sqlalchemy import text

from cli.worker import prepare
from runtime.house import house
from runtime.settings import current
from runtime.unit import dispatch, unit
from services import sealed


def rotate(_: argparse.Namespace) -> int:
    """Write every stored secret anew with the key that writes now, provider by provider."""
    prepare(current())
    with dispatch() as session:
        providers = list(session.scalars(text("SELECT id FROM provider ORDER BY id")))
    changed = 0
    for provider_id in providers:
        with unit(provider_id, actor="cli", bulk=True) as ctx:
            changed += sealed.rotate(ctx)
    print(f"{changed} secrets of {len(providers)} providers are written with the key {house().kit.cipher.writing} now.")
    return 0
