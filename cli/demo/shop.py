"""What the demo's operator sells, and to whom: made over the API, as an integrator would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cli.demo.client import Api
from cli.demo.receiver import Receiver
from cli.demo.stage import PDUS, SITE_ZONE

LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48"><rect width="48" height="48" rx="10" fill="#0f4c81"/>'
    '<path d="M24 8l6 12H18z" fill="#fff"/><path d="M20 22h8l3 18H17z" fill="#fff" opacity=".85"/></svg>'
)
SELLER = {
    "name": "Lighthouse DC",
    "legal_name": "Lighthouse Data Centres B.V.",
    "country": "NL",
    "address": {"line1": "Kabelweg 57", "postal_code": "1014 BA", "city": "Amsterdam"},
    "tax_id": "NL004495445B01",
    "email": "billing@lighthouse.example",
    "website": "https://lighthouse.example",
    "bank": {"holder": "Lighthouse Data Centres B.V.", "iban": "NL91ABNA0417164300", "bic": "ABNANL2A"},
    "brand_color": "#0f4c81",
    "logo_svg": LOGO,
    "number_prefix": "LH",
    "payment_terms_days": 5,
    "tax_rate": "21",
    "footer": "Questions about this invoice? billing@lighthouse.example",
}
RACK = {"model": "flat", "amount_price": "450"}
ADDRESSES = {"model": "per_unit", "unit_price": "2.5"}
ENERGY = {
    "model": "graduated",
    "tiers": [{"up_to": "1000", "unit_price": "0.29"}, {"up_to": None, "unit_price": "0.245"}],
}
MONTHLY = {"unit": "month", "count": 1}
# A short way through dunning: two letters and a second try of the card within three days of the due date.
DUNNING = {
    "steps": [
        {"after_days": 1, "action": "remind"},
        {"after_days": 1, "action": "retry"},
        {"after_days": 2, "action": "remind"},
        {"after_days": 3, "action": "suspend"},
        {"after_days": 30, "action": "deprovision"},
    ]
}


@dataclass(frozen=True)
class Shop:
    """Ids of what was made."""

    site: str
    northwind: str
    labs: str
    tidewater: str
    subscriptions: dict[str, str]
    endpoint: str


def open_shop(api: Api, receiver: Receiver) -> Shop:
    """Make the catalogue, the places, the customers with their cards, and the webhook endpoint."""
    seller = api.get("/v1/sellers")["data"][0]["id"]
    api.patch(f"/v1/sellers/{seller}", SELLER)
    api.put("/v1/dunning-policy", DUNNING)
    _catalogue(api)
    site = api.post("/v1/sites", {"code": "ams1", "name": "Amsterdam 1", "time_zone": SITE_ZONE})["id"]
    for pdu in PDUS:
        api.post("/v1/points", {"site": "ams1", "path": pdu["name"], "kind": "pdu"})
    northwind, labs, tidewater = _customers(api)
    endpoint = api.post("/v1/webhook-endpoints", {"url": receiver.url, "types": []})
    receiver.trust(endpoint["secret"], lambda event: answer_provisioning(api, event))
    return Shop(site, northwind, labs, tidewater, {}, endpoint["id"])


def _catalogue(api: Api) -> None:
    api.post("/v1/products", {"code": "space", "name": "Rack space"})
    api.post("/v1/products", {"code": "power", "name": "Metered power"})
    api.post("/v1/products", {"code": "network", "name": "Network"})
    api.post("/v1/meters", {"code": "energy", "name": "Energy", "unit": "kWh", "aggregation": "sum"})
    prices = [
        _price("rack", "Rack, 42 units", "space", "recurring", RACK, timing="advance", proration="day"),
        _price("ipv4", "IPv4 addresses", "network", "recurring", ADDRESSES, timing="advance", proration="day"),
        _price("energy", "Energy", "power", "usage", ENERGY, timing="arrears", proration="none", meter="energy"),
    ]
    api.post("/v1/plans", {"code": "colo-rack", "name": "Colocation rack", "version": {"prices": prices}})


def _price(code: str, name: str, product: str, kind: str, price: dict[str, Any], **more: str) -> dict[str, Any]:
    return {
        "charge_code": code,
        "name": name,
        "product": product,
        "kind": kind,
        "interval": MONTHLY,
        "currencies": {"EUR": price},
        **more,
    }


def _customers(api: Api) -> tuple[str, str, str]:
    base = {"currency": "EUR", "country": "NL"}
    northwind = api.post(
        "/v1/accounts",
        {
            **base,
            "name": "Northwind Hosting",
            "legal_name": "Northwind Hosting B.V.",
            "email": "finance@northwind.example",
            "external_id": "northwind",
            "payer": "self",
            "tax_id": "NL810433941B01",
            "address": {"line1": "Keizersgracht 241", "postal_code": "1016 EA", "city": "Amsterdam"},
        },
    )["id"]
    labs = api.post("/v1/accounts", {**base, "name": "Northwind Labs", "parent": northwind, "payer": "parent"})["id"]
    tidewater = api.post(
        "/v1/accounts",
        {
            **base,
            "name": "Tidewater Games",
            "legal_name": "Tidewater Games B.V.",
            "email": "accounts@tidewater.example",
            "external_id": "tidewater",
            "payer": "self",
            "address": {"line1": "Coolsingel 40", "postal_code": "3011 AD", "city": "Rotterdam"},
        },
    )["id"]
    api.post("/v1/payment-methods", {"account": northwind, "token": "pm_card_visa"})
    api.post("/v1/payment-methods", {"account": tidewater, "token": "pm_card_visa_chargeDeclinedInsufficientFunds"})
    return northwind, labs, tidewater


def order(api: Api, shop: Shop) -> None:
    """Three contracts: two that start when provisioned, one at a fixed date inside the month."""
    orders = {
        "rack-12": (shop.northwind, {"on": "provisioned"}, "16", ("rack-12/pdu-a", "rack-12/pdu-b")),
        "rack-14": (shop.labs, {"on": "provisioned"}, "4", ("rack-14/pdu-a",)),
        "rack-20": (shop.tidewater, {"at": "2026-03-09T23:00:00Z"}, "8", ("rack-20/pdu-a",)),
    }
    for name, (account, start, addresses, points) in orders.items():
        made = api.post(
            "/v1/subscriptions",
            {
                "account": account,
                "plan": "colo-rack",
                "start": start,
                "anchor": "calendar",
                "quantities": {"rack": "1", "ipv4": addresses},
                "external_id": name,
            },
        )
        shop.subscriptions[name] = made["id"]
        begins = start.get("at", "2026-02-28T23:00:00Z")
        for point in points:
            body = {"point": point, "subscription": made["id"], "charge_code": "energy", "from": begins}
            api.post("/v1/assignments", body)


ANSWERS = {
    "subscription.provision_requested": "provisioned",
    "subscription.suspend_requested": "suspended",
    "subscription.resume_requested": "resumed",
    "subscription.deprovision_requested": "deprovisioned",
    "subscription.change_requested": "changed",
}


def answer_provisioning(api: Api, event: dict[str, Any]) -> None:
    """What a provisioning system does when it is asked for something: do it, and say so."""
    status = ANSWERS.get(event["type"])
    if status is not None:
        api.post(
            f"/v1/subscriptions/{event['object']['id']}/provisioning",
            {"request": event["id"], "status": status, "reference": "nocps-4711"},
        )
