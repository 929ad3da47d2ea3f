"""Whether this process has been told to end: what runs long looks now and then, and hands its work over."""

from __future__ import annotations

from threading import Event

TOLD = Event()
