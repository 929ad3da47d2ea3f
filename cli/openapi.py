"""`busbar openapi`."""

from __future__ import annotations

import argparse
import sys


def run(args: argparse.Namespace) -> int:
    """Print the description, write it, or compare the file with the routes. Needs no server."""
    from api import openapi
    from api.app import app_to_describe

    app = app_to_describe()
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
