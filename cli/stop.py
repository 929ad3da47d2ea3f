"""`busbar stop`."""

from __future__ import annotations

import argparse

import embedded
from cli import running
from runtime import settings


def run(_: argparse.Namespace) -> int:
    """Stop what runs on this data directory, then the embedded servers below it, which it would start again."""
    data_dir = settings.current().data_dir
    stopped = running.stop_all(data_dir) + embedded.stop_all(data_dir)
    print(f"Stopped: {', '.join(stopped)}." if stopped else f"Nothing was running on {data_dir}.")
    return 0
