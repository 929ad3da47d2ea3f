"""The program: `python -m standins.gateway --port 0 --state gateway.sqlite`."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from werkzeug.serving import WSGIRequestHandler, make_server

from standins.gateway.app import create_app
from standins.gateway.delivery import Deliverer
from standins.gateway.store import Store


class Quiet(WSGIRequestHandler):
    """Writes no line per request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Requests are counted by the store, not by a log."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m standins.gateway",
        description="A card gateway in Stripe's shape, for sandboxes and tests.",
        epilog="Example: python -m standins.gateway --port 0 --state gateway.sqlite",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 picks a free one (default 0)")
    parser.add_argument("--state", type=Path, required=True, help="the SQLite file that holds everything")
    args = parser.parse_args(argv)
    try:
        args.state.parent.mkdir(parents=True, exist_ok=True)
        store = Store(args.state)
        server = make_server(args.host, args.port, create_app(store), threaded=True, request_handler=Quiet)
    except (OSError, SystemExit) as error:
        sys.stderr.write(f"The gateway cannot start: {error}\n")
        return 2
    Deliverer(store).start()
    sys.stdout.write(f"http://{args.host}:{server.port}\n")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
