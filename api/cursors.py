"""Cursors: opaque and authenticated, good for one provider, one route and one set of filters."""

from __future__ import annotations

import base64
import binascii

from flask import request

from api.transaction import home
from core.errors import Invalid, Misconfigured
from services.context import Context
from services.paging import Key


def write(ctx: Context, key: Key) -> str:
    """The cursor that goes on after a key."""
    sealed = home().kit.cipher.seal(key, provider_id=ctx.provider.id, purpose=_purpose())
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def read(ctx: Context, cursor: str) -> Key:
    """The key a cursor stands for.

    Raises:
        Invalid: `cursor_invalid`, for one that we did not write, or for another list.
    """
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        opened = home().kit.cipher.open(sealed, provider_id=ctx.provider.id, purpose=_purpose())
    except (Misconfigured, ValueError, binascii.Error) as error:
        detail = "This cursor is not one of this list with these filters. Begin again without it."
        raise Invalid("cursor_invalid", detail, "?cursor") from error
    return tuple(opened)


def _purpose() -> str:
    filters = sorted((name, value) for name, value in request.args.items() if name not in ("cursor", "limit"))
    return f"cursor {request.path} {filters}"
