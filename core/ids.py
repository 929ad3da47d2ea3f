"""Identifiers: UUIDv7 inside, TypeID outside (`inv_01h455vb4pex5vsknk084sn02q`).

Source: RFC 9562 (UUIDv7) and the TypeID specification 0.3 (prefix, underscore, 26 characters of Crockford base 32).
"""

from __future__ import annotations

from uuid import UUID

import uuid_utils

from core.errors import Invalid

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {c: i for i, c in enumerate(ALPHABET)}

# kind -> prefix. A kind is the word for a thing on every floor: table, service, route.
PREFIXES = {
    "provider": "prov",
    "seller": "sel",
    "user": "usr",
    "membership": "mem",
    "api_key": "key",
    "oauth_client": "cli",
    "account": "acc",
    "product": "prod",
    "meter": "mtr",
    "plan": "plan",
    "plan_version": "pver",
    "price": "price",
    "subscription": "sub",
    "subscription_item": "item",
    "change": "chg",
    "site": "site",
    "point": "pt",
    "device": "dev",
    "epoch": "epo",
    "assignment": "asg",
    "agent": "agt",
    "anomaly": "ano",
    "charge": "chr",
    "billed_span": "claim",
    "billing_run": "run",
    "invoice": "inv",
    "invoice_line": "line",
    "blob": "blob",
    "transfer": "trf",
    "ledger_account": "led",
    "gateway_account": "gwa",
    "payment_method": "pm",
    "payment": "pay",
    "payment_attempt": "att",
    "allocation": "alc",
    "refund": "ref",
    "suspension": "susp",
    "dunning_case": "dun",
    "dunning_policy": "dpol",
    "event": "evt",
    "webhook_endpoint": "whe",
    "delivery": "del",
    "audit": "aud",
    "mail": "mail",
}
KINDS = {prefix: kind for kind, prefix in PREFIXES.items()}


def new_id() -> UUID:
    """A fresh UUIDv7: ordered by time of making, unique without asking anybody."""
    return UUID(int=uuid_utils.uuid7().int)


def encode(kind: str, value: UUID) -> str:
    """The TypeID of a thing of a kind: `encode("invoice", id)` is `inv_…`."""
    number = value.int
    return PREFIXES[kind] + "_" + "".join(ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def decode(kind: str, text: str) -> UUID:
    """The UUID of a TypeID of this kind.

    Raises:
        Invalid: `id_malformed`, when the text is not a TypeID of that kind.
    """
    prefix, _, tail = text.rpartition("_")
    if prefix == PREFIXES[kind] and len(tail) == 26 and tail[0] in "01234567" and all(c in _VALUES for c in tail):
        number = 0
        for c in tail:
            number = number << 5 | _VALUES[c]
        return UUID(int=number)
    raise Invalid("id_malformed", f"An id of this kind looks like {PREFIXES[kind]}_01h455vb4pex5vsknk084sn02q.")


def looks_like(kind: str, text: str) -> bool:
    """Whether a reference is an id of this kind (else it is an external id or a code)."""
    try:
        decode(kind, text)
    except Invalid:
        return False
    return True
