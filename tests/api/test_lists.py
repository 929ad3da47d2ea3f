"""Lists: pages by key, cursors that cannot be forged."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.api.test_refusals import refusal


@pytest.fixture
def seven(client: Caller) -> list[str]:
    """Seven accounts, in the order they were made."""
    body = {"currency": "EUR", "country": "NL"}
    return [client.made("/v1/accounts", {"name": f"Customer {n}", **body})["id"] for n in range(7)]


def test_pages_follow_each_other_newest_first_and_miss_nothing(client: Caller, seven: list[str]) -> None:
    seen: list[str] = []
    path: str | None = "/v1/accounts?limit=3"
    sizes = []
    while path:
        page: Any = client.get(path).json
        sizes.append(len(page["data"]))
        seen += [account["id"] for account in page["data"]]
        path = f"/v1/accounts?limit=3&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert sizes == [3, 3, 1]
    assert seen == list(reversed(seven))


def test_a_page_does_not_shift_when_something_new_arrives(client: Caller, seven: list[str]) -> None:
    first: Any = client.get("/v1/accounts?limit=3").json
    client.made("/v1/accounts", {"name": "Late", "currency": "EUR", "country": "NL"})
    second: Any = client.get(f"/v1/accounts?limit=3&cursor={first['next_cursor']}").json
    assert [a["id"] for a in second["data"]] == list(reversed(seven))[3:6]


def test_a_full_last_page_has_no_next(client: Caller, seven: list[str]) -> None:
    page: Any = client.get("/v1/accounts?limit=7").json
    assert len(page["data"]) == 7
    assert page["next_cursor"] is None


def test_a_cursor_that_was_tampered_with_is_refused(client: Caller, seven: list[str]) -> None:
    cursor: str = client.get("/v1/accounts?limit=3").json["next_cursor"]  # type: ignore[index]
    for forged in (cursor[:-2] + "AA", "A" + cursor[1:], cursor[:10], "e30", "*", cursor + "A"):
        body = refusal(client.get(f"/v1/accounts?limit=3&cursor={forged}"), 422, "cursor_invalid")
        assert body["errors"][0]["parameter"] == "cursor"


def test_a_cursor_is_good_for_its_own_list_only(client: Caller, stranger: Caller, seven: list[str]) -> None:
    cursor: str = client.get("/v1/accounts?limit=3").json["next_cursor"]  # type: ignore[index]
    refusal(stranger.get(f"/v1/accounts?cursor={cursor}"), 422, "cursor_invalid")
    refusal(client.get(f"/v1/sellers?cursor={cursor}"), 422, "cursor_invalid")
    refusal(client.get(f"/v1/accounts?email=x@y.example&cursor={cursor}"), 422, "cursor_invalid")
    assert client.get(f"/v1/accounts?limit=5&cursor={cursor}").status_code == 200


@pytest.mark.parametrize("limit", ["0", "201", "-1", "ten", "1.5", "9" * 30])
def test_a_limit_out_of_range_is_refused(client: Caller, limit: str) -> None:
    answer = client.get(f"/v1/accounts?limit={limit}")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["parameter"] == "limit"


def test_a_thing_is_found_by_its_external_id(client: Caller, stranger: Caller) -> None:
    made = client.made("/v1/accounts", {"name": "A", "currency": "EUR", "country": "NL", "external_id": "crm-1"})
    assert [a["id"] for a in client.get("/v1/accounts?external_id=crm-1").json["data"]] == [made["id"]]
    assert client.get("/v1/accounts?external_id=crm-2").json["data"] == []
    assert stranger.get("/v1/accounts?external_id=crm-1").json["data"] == []
