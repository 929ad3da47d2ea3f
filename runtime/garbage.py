"""How often a process looks for cycles among its objects."""

from __future__ import annotations

import gc


def collect_rarely() -> None:
    """Called once, when a process has loaded what it works with.

    What is loaded is no garbage, and the thousands of rows of a request or of a billing run are none either until it
    ends, when they go by themselves: looking for cycles in them, again and again, took as long as the rows themselves.
    """
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)
