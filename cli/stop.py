"""`busbar stop`."""

from __future__ import annotations

import argparse

import embedded
from runtime import settings


def run(_: argparse.Namespace) -> int:
    """Stop a server that runs on this data directory, then the embedded servers below it."""
    from cli.running import stop_serving

    data_dir = settings.current().data_dir
    served = stop_serving(data_dir)
    stopped = (["serve"] if served else []) + embedded.stop_all(data_dir)
    print(f"Stopped: {', '.join(stopped)}." if stopped else f"Nothing was running on {data_dir}.")
    return 0
