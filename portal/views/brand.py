"""A seller's colour and logo, as files of their own: no style is written into a page."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, abort

from portal import visits

pages = Blueprint("brand", __name__)
MINUTES_FIVE = "private, max-age=300"


@pages.get("/<id(provider):provider_id>/brand.css")
def colours(provider_id: UUID) -> Response:
    """The brand's colour as the variables that the style sheets use."""
    colour = visits.current().brand.colour
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    # Text on the colour is white or near-black, whichever stands out (WCAG 2.2 relative luminance).
    on_it = "#ffffff" if _luminance(red, green, blue) < 0.36 else "#111827"
    css = (
        f":root,[data-bs-theme]{{--brand:{colour};--on-brand:{on_it};"
        f"--tblr-primary:{colour};--tblr-primary-rgb:{red},{green},{blue};--tblr-primary-fg:{on_it};"
        f"--tblr-link-color:{colour};--tblr-link-color-rgb:{red},{green},{blue};--tblr-link-hover-color:{colour}}}\n"
    )
    return Response(css, mimetype="text/css", headers={"Cache-Control": MINUTES_FIVE})


@pages.get("/<id(provider):provider_id>/logo.svg")
def logo(provider_id: UUID) -> Response:
    """The seller's logo. It is a stranger's file: opened by itself it may run nothing."""
    svg = visits.current().brand.logo_svg
    if not svg:
        abort(404)
    headers = {
        "Cache-Control": MINUTES_FIVE,
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    }
    return Response(svg, mimetype="image/svg+xml", headers=headers)


def _luminance(red: int, green: int, blue: int) -> float:
    def linear(channel: int) -> float:
        share = channel / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
