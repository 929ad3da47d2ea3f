"""Every route, tried by those whom it does not concern: what they may not see does not exist for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from api.openapi import METHODS, document
from core.ids import decode
from runtime.house import House
from runtime.unit import unit
from services import credentials
from tests.api.conftest import Caller
from tests.builders import world
from tests.conftest import make_provider

# What customers of one provider may all see: its catalogue, its sellers, itself.
SHARED = {"prod", "idx", "mtr", "plan", "pver", "price", "sel", "prov"}


def _caller(app: Flask, house: House, provider_id: UUID, account_id: UUID | None = None) -> Caller:
    with unit(provider_id, actor="test", within=house) as ctx:
        _, key = credentials.create_key(ctx, name="test", scopes=credentials.SCOPES, account_id=account_id)
    return Caller(app.test_client(), key)


@pytest.fixture(scope="module")
def paths(app: Flask) -> dict[str, Any]:
    described: dict[str, Any] = document(app)["paths"]
    return described


@pytest.fixture(scope="module")
def owner(app: Flask, house: House) -> Caller:
    """The operator of a sandbox in which every kind of thing exists."""
    provider_id = make_provider(house)
    made = _caller(app, house, provider_id)
    world.furnish(made, provider_id)
    return made


@pytest.fixture(scope="module")
def known(owner: Caller, paths: dict[str, Any]) -> dict[str, list[str]]:
    return world.known_ids(owner, paths)


@pytest.fixture(scope="module")
def outsider(app: Flask, house: House) -> Caller:
    """The operator of another sandbox."""
    return _caller(app, house, make_provider(house))


@pytest.fixture(scope="module")
def neighbour(app: Flask, house: House, owner: Caller) -> Caller:
    """Another customer of the same provider."""
    account = owner.made("/v1/accounts", {"name": "Neighbour", "currency": "EUR", "country": "NL"})
    own: Any = owner.get("/v1/provider").json
    return _caller(app, house, decode("provider", own["id"]), decode("account", account["id"]))


@pytest.fixture(scope="module")
def reads(owner: Caller, paths: dict[str, Any], known: dict[str, list[str]]) -> list[str]:
    """Every GET: the lists as they are, the rest with ids that belong together, as their owner finds them."""
    found = [path for path, operations in paths.items() if "get" in operations and "{" not in path]
    for path, operations in paths.items():
        combinations = list(world.fills(path, operations, known))
        theirs = (filled for filled in combinations if owner.get(filled).status_code != 404)
        found += [next(theirs, combinations[0])] if combinations else []
    return found


def test_the_sandbox_has_one_of_each(known: dict[str, list[str]]) -> None:
    kinds = "acc sel sub item plan pver price prod mtr evt chg inv line cn cnl run whe dun site pt asg agt gwa pay"
    assert set(kinds.split()) <= known.keys()


def test_the_owner_reads_everything(owner: Caller, reads: list[str]) -> None:
    for path in reads:
        if not path.startswith("/v1/agents/self/"):
            # Only a draft is reviewed, and the sandbox's invoice is final.
            assert owner.get(path).status_code == (409 if path.endswith("/review") else 200), path


def test_another_provider_sees_none_of_it(outsider: Caller, reads: list[str], known: dict[str, list[str]]) -> None:
    ours = {name for names in known.values() for name in names}
    for path in reads:
        answer = outsider.get(path)
        if any(name in path for name in ours):
            assert answer.status_code == 404, path
        else:
            assert not ours & set(world.ids_in(answer.get_json(silent=True))), path


def _changes(paths: dict[str, Any], known: dict[str, list[str]]) -> Iterator[tuple[str, str, Any]]:
    """Every change of something that exists: method, path, and the description's example of a body."""
    for path, operations in paths.items():
        filled = world.fill(path, {**operations, "get": {}}, known)
        for method in METHODS:
            if filled is not None and method != "get" and method in operations:
                content = operations[method].get("requestBody", {}).get("content", {})
                for body in _examples(next(iter(content.values()), {})):
                    yield method.upper(), filled, body


def _examples(content: dict[str, Any]) -> list[Any]:
    """The bodies that a description shows; None where it shows none."""
    named = [example["value"] for example in content.get("examples", {}).values()]
    return named or [content.get("example")]


def test_another_provider_changes_none_of_it(
    outsider: Caller, paths: dict[str, Any], known: dict[str, list[str]]
) -> None:
    for method, path, body in _changes(paths, known):
        answer = outsider(method, path, body)
        expected = (404,) if body is None else (404, 422)
        assert answer.status_code in expected, f"{method} {path}: {answer.get_data(as_text=True)}"


def test_another_customer_changes_none_of_it(
    neighbour: Caller, paths: dict[str, Any], known: dict[str, list[str]]
) -> None:
    for method, path, body in _changes(paths, known):
        answer = neighbour(method, path, body)
        expected = (403, 404) if body is None else (403, 404, 422)
        assert answer.status_code in expected, f"{method} {path}: {answer.get_data(as_text=True)}"


def test_a_body_that_names_what_is_not_ones_own_is_refused(
    outsider: Caller, neighbour: Caller, known: dict[str, list[str]]
) -> None:
    account, subscription, point = known["acc"][0], known["sub"][0], known["pt"][0]
    order = {"plan": known["plan"][0], "start": {"at": "2026-03-01T00:00:00Z"}, "anchor": "calendar"}
    paid = {"method": "manual", "amount": 1, "currency": "EUR", "reference": "x", "received_on": "2026-02-01"}
    assigned = {"charge_code": "energy", "from": "2026-03-01T00:00:00Z"}
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/v1/accounts", {"name": "x", "currency": "EUR", "country": "NL", "parent": account}),
        ("/v1/subscriptions", {"account": account, **order}),
        ("/v1/subscriptions/preview", {"account": account, **order, "as_of": "2026-04-01T00:00:00Z"}),
        ("/v1/portal-sessions", {"account": account}),
        ("/v1/payments", {"account": account, **paid}),
        ("/v1/payment-methods", {"account": account, "token": "pm_card_visa"}),
        ("/v1/assignments", {"point": point, "subscription": subscription, **assigned}),
        ("/v1/api-keys", {"name": "x", "account": account}),
    ]
    for path, body in bodies:
        for caller in (outsider, neighbour):
            answer = caller.post(path, body)
            assert answer.status_code in (403, 404, 422), f"{path}: {answer.get_data(as_text=True)}"
            assert answer.json["code"].endswith(("_unknown", "_not_found", "scope_missing")), answer.json


def test_another_customer_sees_only_what_is_its_own(
    neighbour: Caller, reads: list[str], known: dict[str, list[str]]
) -> None:
    others = {name for prefix, names in known.items() if prefix not in SHARED for name in names}
    seen = []
    for path in reads:
        answer = neighbour.get(path)
        if any(name in path for name in others):
            seen += [] if answer.status_code in (403, 404) else [path]
        else:
            seen += [path] if others & set(world.ids_in(answer.get_json(silent=True))) else []
    assert not seen


def test_without_a_credential_nothing_is_read(nobody: Caller, reads: list[str]) -> None:
    for path in reads:
        assert nobody.get(path).status_code == 401, path
