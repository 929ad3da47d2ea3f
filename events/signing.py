"""Signatures of webhooks after Standard Webhooks 1.0: HMAC-SHA256 over id, timestamp and body, base64, prefixed `v1,`.

Two secrets may be live while a key is rotated: then both signatures are sent, apart by a space, and a receiver that
knows either one accepts.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from datetime import datetime

from standardwebhooks import Webhook

SECRET_BYTES = 32
PREFIX = "whsec_"


def new_secret() -> str:
    """A fresh secret, `whsec_…`."""
    return PREFIX + base64.b64encode(os.urandom(SECRET_BYTES)).decode()


def headers(event_id: str, at: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The three headers of a delivery.

    Args:
        event_id: the same at each try; the receiver's idempotency key.
        at: when this try is made, system time.
        secrets: one, or two while keys are rotated.
    """
    text = body.decode()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(event_id, at, text) for secret in secrets),
    }
