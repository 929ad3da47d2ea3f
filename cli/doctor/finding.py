"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """What was found, and what to do about it where something is to be done."""

    subject: str
    state: Literal["good", "warning", "bad"]
    detail: str
    advice: str | None = None


def good(subject: str, detail: str) -> Finding:
    return Finding(subject, "good", detail)


def warning(subject: str, detail: str, advice: str) -> Finding:
    return Finding(subject, "warning", detail, advice)


def bad(subject: str, detail: str, advice: str) -> Finding:
    return Finding(subject, "bad", detail, advice)
