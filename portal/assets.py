"""Static files: kept by browsers forever under their content's hash, sent small to those that unpack."""

from __future__ import annotations

import gzip
from functools import cache

from flask import Response, request, send_from_directory
from werkzeug.security import safe_join

from portal.present import STATIC

SHRINKS = (".css", ".js", ".svg")
FOREVER = "public, max-age=31536000, immutable"


def static(filename: str) -> Response:
    """A file of ours or a vendored one; text is packed once and kept packed."""
    response = send_from_directory(STATIC, filename)
    response.headers["Cache-Control"] = FOREVER
    if filename.endswith(SHRINKS):
        response.headers["Vary"] = "Accept-Encoding"
        if response.status_code == 200 and request.accept_encodings["gzip"]:
            response.direct_passthrough = False
            response.set_data(_packed(filename))
            response.headers["Content-Encoding"] = "gzip"
    return response


@cache
def _packed(filename: str) -> bytes:
    path = safe_join(str(STATIC), filename)
    assert path is not None  # it was found below the folder just now
    with open(path, "rb") as file:
        return gzip.compress(file.read(), 9, mtime=0)
