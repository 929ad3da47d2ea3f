"""Links to a customer's own pages."""

from __future__ import annotations

from api.schemas import Schema, fields


class PortalLinkNew(Schema):
    """Whose pages to open."""

    account = fields.Reference("account", required=True)


class PortalLink(Schema):
    """A link that signs its holder in, once."""

    url = fields.ShownOnce(
        required=True,
        example="https://billing.example/portal/prov_01h455vb4pex5vsknk084sn02q/enter/kT5VYzg0mXq3oTzq",
        description="Works once, and is not shown again.",
    )
    expires_at = fields.Instant(required=True)
