"""`busbar openapi`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.house import House


def run(args: argparse.Namespace) -> int:
    """Print the description, write it, or compare the file with the routes. Needs no server."""
    from api import openapi
    from api.app import create_app

    app = create_app(_empty_house())
    if args.write:
        print(f"Written: {openapi.write(app)}")
        return 0
    text = openapi.as_text(app)
    if not args.check:
        sys.stdout.write(text)
        return 0
    if openapi.FILE.exists() and openapi.FILE.read_text(encoding="utf-8") == text:
        print("openapi/openapi.json is what the routes say.")
        return 0
    sys.stderr.write(
        "busbar: openapi/openapi.json is not what the routes say: run `make openapi`, look, and commit it.\n"
    )
    return 1


def _empty_house() -> House:
    """What the application stands on, without a database behind it: routes are described, none is called."""
    from runtime.house import House, make_engine
    from runtime.settings import Settings
    from services.cipher import Cipher
    from services.context import Kit

    nowhere = make_engine("postgresql://nobody@nowhere/none", 1)
    return House(Settings(), nowhere, Kit(Cipher({"none": bytes(32)})))
