"""A sandbox over HTTP: its clock is set and driven in this process, usage goes in, and invoices come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from core.ids import decode
from jobs import due


def pass_time(client: Any, provider_id: UUID, to: str) -> None:
    """Let a sandbox's time pass, slice by slice, with everything that falls due: however slow the machine is."""
    client.made("/v1/test-clock/advance", {"to": to})
    while (clock := client.get("/v1/test-clock").json)["status"] == "advancing":
        due.drive(provider_id, [])
    assert (clock["now"], clock["status"]) == (to, "ready"), clock


class Sandbox:
    """What a story does with a sandbox in euro, from the start of 2026 on."""

    def __init__(self, client: Any, now: str = "2026-01-01T00:00:00Z", zone: str = "UTC") -> None:
        self.client = client
        self.provider_id: UUID = decode("provider", client.get("/v1/provider").json["id"])
        self._events = 0
        client.made("/v1/test-clock", {"now": now})
        # Nobody pays in these stories, and nobody is reminded.
        seller = client.get("/v1/sellers").json["data"][0]["id"]
        assert client.patch(f"/v1/sellers/{seller}", {"payment_terms_days": 365}).status_code == 200
        client.made("/v1/products", {"code": "power", "name": "Power"})
        client.made("/v1/meters", {"code": "energy", "name": "Energy", "unit": "kWh", "aggregation": "sum"})
        account = {"name": "Contoso", "currency": "EUR", "country": "NL", "time_zone": zone, "external_id": "contoso"}
        self.account: str = client.made("/v1/accounts", account)["id"]

    def plan(self, price: Mapping[str, Any], code: str = "spot", **more: Any) -> str:
        """A plan that sells energy at a price; its id."""
        prices = [usage_price(price, **more)]
        made: str = self.client.made("/v1/plans", {"code": code, "name": code, "version": {"prices": prices}})["id"]
        return made

    def subscribe(self, plan: str, start: str = "2026-01-01T00:00:00Z", **more: Any) -> str:
        """A subscription of the account from an instant on; its id."""
        order = {"account": self.account, "plan": plan, "start": {"at": start}, "anchor": "calendar", **more}
        made: str = self.client.made("/v1/subscriptions", order)["id"]
        return made

    def use(self, subscription: str, at: str, quantity: str) -> None:
        """Report usage of an instant."""
        self._events += 1
        event = {"id": f"e{self._events}", "subscription": subscription, "meter": "energy"}
        receipt = self.client.made("/v1/usage/events", {"events": [{**event, "at": at, "quantity": quantity}]})
        assert receipt["accepted"] == 1, receipt

    def advance(self, to: str) -> None:
        """Let time pass, and everything happen that falls due."""
        pass_time(self.client, self.provider_id, to)

    def invoices(self) -> list[dict[str, Any]]:
        """All invoices, the oldest first."""
        return list(reversed(self.client.get("/v1/invoices").json["data"]))

    def lines(self, invoice: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The lines of an invoice."""
        found: list[dict[str, Any]] = self.client.get(f"/v1/invoices/{invoice['id']}/lines").json["data"]
        return found

    def amounts(self) -> list[list[tuple[str, int]]]:
        """Kind and amount of every line, by invoice."""
        return [[(line["kind"], line["amount"]) for line in self.lines(invoice)] for invoice in self.invoices()]

    def explanation(self, invoice: Mapping[str, Any], line: Mapping[str, Any]) -> dict[str, Any]:
        """Why a line's amount is what it is."""
        found: dict[str, Any] = self.client.get(f"/v1/invoices/{invoice['id']}/lines/{line['id']}/explanation").json
        return found


def usage_price(price: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A plan price of energy in euro."""
    return {
        "charge_code": "energy",
        "product": "power",
        "kind": "usage",
        "meter": "energy",
        "currencies": {"EUR": price},
        **more,
    }
