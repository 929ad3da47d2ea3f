"""The description and its interactive page, from files of our own: no other host is asked for anything."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, url_for

from api.guards import public
from api.openapi import as_text

blp_pages = Blueprint("docs", "api.docs", static_folder="static", static_url_path="/docs/assets")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Busbar API</title>
<link rel="icon" href="{icon}">
<link rel="stylesheet" href="{style}">
</head>
<body>
<div id="swagger-ui" data-description="{description}"></div>
<noscript>This page needs JavaScript. The description itself is at <a href="{description}">{description}</a>.</noscript>
<script src="{bundle}"></script>
<script src="{start}"></script>
</body>
</html>
"""


@blp_pages.get("/openapi.json")
@public("the description holds no secrets")
def description() -> Response:
    """The OpenAPI description of this very server."""
    text = current_app.extensions.get("busbar.description")
    if text is None:
        text = current_app.extensions["busbar.description"] = as_text(current_app)
    return Response(text, content_type="application/json")


@blp_pages.get("/docs")
@public("the description holds no secrets")
def page() -> Response:
    """The description as a page on which requests can be tried."""
    files = {name: url_for("docs.static", filename=path) for name, path in _FILES.items()}
    answer = Response(PAGE.format(description=url_for("docs.description"), **files), content_type="text/html")
    answer.headers["Content-Security-Policy"] = POLICY
    return answer


_FILES = {
    "icon": "swagger-ui/favicon-32x32.png",
    "style": "swagger-ui/swagger-ui.css",
    "bundle": "swagger-ui/swagger-ui-bundle.js",
    "start": "docs.js",
}
