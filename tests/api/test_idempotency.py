"""A POST with a key is done once, whatever the network does."""

from __future__ import annotations

import hashlib
import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from core.ids import encode, new_id
from runtime.house import House
from services import credentials, idempotency
from services.clock import system_now
from services.idempotency import Answer, Claim
from tests.api.conftest import Caller, NewCaller
from tests.api.test_refusals import refusal
from tests.conftest import Open, make_provider

ACCOUNT = {"name": "Contoso", "currency": "EUR", "country": "NL"}
PATH = "/v1/accounts"


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def _count(client: Caller) -> int:
    page: Any = client.get(f"{PATH}?limit=200").json
    return len(page["data"])


def _claim(client: Caller, open_unit: Open, key: str) -> Claim:
    """The claim of a caller's POST of `ACCOUNT` under a key."""
    with open_unit() as ctx:
        row = ctx.session.execute(
            text("SELECT id FROM api_key WHERE hash = :hash"), {"hash": credentials.hashed(client.token or "")}
        ).one()
    body_hash = hashlib.sha256(b"\n" + orjson.dumps(ACCOUNT, option=orjson.OPT_SORT_KEYS)).digest()
    return Claim(encode("api_key", row.id), "POST", PATH, key, body_hash)


def test_the_same_request_again_gives_the_stored_answer(client: Caller) -> None:
    first = client.post(PATH, ACCOUNT, headers=keyed("order-1"))
    again = client.post(PATH, ACCOUNT, headers=keyed("order-1"))
    assert (again.status_code, again.json) == (first.status_code, first.json)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert _count(client) == 1


def test_the_same_members_in_another_order_are_the_same_body(client: Caller) -> None:
    first = client.post(PATH, ACCOUNT, headers=keyed("order-1"))
    again = client.post(PATH, dict(reversed(ACCOUNT.items())), headers=keyed("order-1"))
    assert again.json == first.json


def test_another_body_under_the_same_key_is_refused(client: Caller) -> None:
    client.post(PATH, ACCOUNT, headers=keyed("order-1"))
    refusal(client.post(PATH, {**ACCOUNT, "name": "B"}, headers=keyed("order-1")), 409, "idempotency_key_reused")
    assert _count(client) == 1


def test_a_key_belongs_to_its_credential(client: Caller, new_caller: NewCaller) -> None:
    client.post(PATH, ACCOUNT, headers=keyed("order-1"))
    assert "Idempotent-Replayed" not in new_caller().post(PATH, ACCOUNT, headers=keyed("order-1")).headers
    assert _count(client) == 2


def test_a_key_belongs_to_its_path(client: Caller) -> None:
    client.post(PATH, ACCOUNT, headers=keyed("order-1"))
    assert client.post("/v1/sellers", {"name": "S"}, headers=keyed("order-1")).status_code == 201


def test_a_refused_request_frees_its_key(client: Caller) -> None:
    refusal(client.post(PATH, {**ACCOUNT, "currency": "XXX"}, headers=keyed("order-1")), 422, "currency_unknown")
    assert client.post(PATH, ACCOUNT, headers=keyed("order-1")).status_code == 201


def test_secrets_are_left_out_of_a_stored_answer(client: Caller, open_unit: Open) -> None:
    first: Any = client.post("/v1/api-keys", {"name": "k"}, headers=keyed("order-1")).json
    again: Any = client.post("/v1/api-keys", {"name": "k"}, headers=keyed("order-1")).json
    assert "key" not in again
    assert again["id"] == first["id"]
    with open_unit() as ctx:
        stored = ctx.session.execute(text("SELECT body FROM idempotency_record")).scalars().all()
    assert first["key"].encode() not in b"".join(bytes(body) for body in stored if body)


def test_a_second_request_while_the_first_still_runs_is_told_so(client: Caller, open_unit: Open) -> None:
    claimed = _claim(client, open_unit, "order-1")
    with open_unit() as first:
        assert idempotency.claim(first, claimed) is None
        refusal(client.post(PATH, ACCOUNT, headers=keyed("order-1")), 409, "request_in_progress")
        assert client.post(PATH, ACCOUNT, headers=keyed("order-2")).status_code == 201
    assert _count(client) == 1


def test_a_request_that_died_leaves_its_key_free_at_once(client: Caller, open_unit: Open, house: House) -> None:
    claimed = _claim(client, open_unit, "order-1")

    def die() -> None:
        with open_unit() as dying:
            idempotency.claim(dying, claimed)
            process = dying.session.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with create_engine(house.engine.url).connect() as admin:
                # As when the server's machine goes away: its connection ends, and nothing of it is kept.
                admin.execute(text("SELECT pg_terminate_backend(:process, 5000)"), {"process": process})
            dying.session.execute(text("SELECT 1"))

    with pytest.raises(OperationalError):
        die()
    assert client.post(PATH, ACCOUNT, headers=keyed("order-1")).status_code == 201
    assert _count(client) == 1


def test_what_was_done_and_what_was_answered_are_kept_together(client: Caller, open_unit: Open) -> None:
    claimed = _claim(client, open_unit, "order-1")

    def fail_before_the_commit() -> None:
        with open_unit() as ctx:
            idempotency.claim(ctx, claimed)
            idempotency.remember(ctx, claimed, Answer(201, {}, b"{}"))
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail_before_the_commit()
    with open_unit() as ctx:
        assert idempotency.claim(ctx, claimed) is None


def test_twenty_at_once_do_it_once(client: Caller, new_caller: NewCaller) -> None:
    answers: list[Any] = []

    def send() -> None:
        answers.append(client.post(PATH, ACCOUNT, headers=keyed("order-1")))

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = [a for a in answers if a.status_code == 201]
    busy = [a for a in answers if a.status_code == 409]
    assert good
    assert len(good) + len(busy) == 20
    assert len({a.json["id"] for a in good}) == 1
    assert {a.json["code"] for a in busy} <= {"request_in_progress"}
    assert _count(client) == 1


def test_an_answer_is_forgotten_after_a_day(client: Caller, open_unit: Open) -> None:
    client.post(PATH, ACCOUNT, headers=keyed("order-1"))
    with open_unit() as ctx:
        ctx.session.execute(
            text("UPDATE idempotency_record SET expires_at = :past"), {"past": system_now() - timedelta(seconds=1)}
        )
    assert client.post(PATH, ACCOUNT, headers=keyed("order-1")).status_code == 201
    assert _count(client) == 2
    with open_unit() as ctx:
        ctx.session.execute(text("UPDATE idempotency_record SET expires_at = :past"), {"past": system_now()})
        idempotency.forget_expired(ctx)
        assert ctx.session.execute(text("SELECT count(*) FROM idempotency_record")).scalar() == 0


def test_a_key_of_odd_characters_is_refused(client: Caller) -> None:
    refusal(client.post(PATH, ACCOUNT, headers=keyed("two words")), 400, "idempotency_key_malformed")
    refusal(client.post(PATH, ACCOUNT, headers=keyed("x" * 256)), 400, "idempotency_key_malformed")


def test_remembered_answers_of_another_provider_are_out_of_reach(
    client: Caller, open_unit: Open, house: House, provider_id: UUID
) -> None:
    client.post(PATH, ACCOUNT, headers=keyed(f"order-{new_id()}"))
    with open_unit(make_provider(house)) as ctx:
        assert ctx.session.execute(text("SELECT count(*) FROM idempotency_record")).scalar() == 0
