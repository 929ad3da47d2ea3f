"""Versions: what was read can be asked for again cheaply, and is not overwritten blindly."""

from __future__ import annotations

import threading
from typing import Any

from tests.api.conftest import Caller
from tests.api.test_refusals import refusal


def test_what_the_caller_has_already_is_not_sent_again(client: Caller, account: dict[str, Any]) -> None:
    path = f"/v1/accounts/{account['id']}"
    tag = client.get(path).headers["ETag"]
    again = client.get(path, headers={"If-None-Match": tag})
    assert again.status_code == 304
    assert again.data == b""
    client.patch(path, {"name": "Renamed"})
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_a_change_of_what_was_read_goes_through(client: Caller, account: dict[str, Any]) -> None:
    path = f"/v1/accounts/{account['id']}"
    tag = client.get(path).headers["ETag"]
    assert client.patch(path, {"name": "Renamed"}, headers={"If-Match": tag}).json["name"] == "Renamed"


def test_a_change_of_something_older_is_refused(client: Caller, account: dict[str, Any]) -> None:
    path = f"/v1/accounts/{account['id']}"
    tag = client.get(path).headers["ETag"]
    client.patch(path, {"name": "First"})
    refusal(client.patch(path, {"name": "Second"}, headers={"If-Match": tag}), 412, "version_stale")
    assert client.get(path).json["name"] == "First"


def test_a_singleton_has_versions_too(client: Caller) -> None:
    tag = client.get("/v1/provider").headers["ETag"]
    client.patch("/v1/provider", {"close_after_minutes": 45}, headers={"If-Match": tag})
    refusal(client.patch("/v1/provider", {"close_after_minutes": 60}, headers={"If-Match": tag}), 412, "version_stale")


def test_of_many_changes_of_the_same_version_one_goes_through(client: Caller, account: dict[str, Any]) -> None:
    path = f"/v1/accounts/{account['id']}"
    tag = client.get(path).headers["ETag"]
    statuses: list[int] = []

    def rename(n: int) -> None:
        statuses.append(client.patch(path, {"name": f"Name {n}"}, headers={"If-Match": tag}).status_code)

    threads = [threading.Thread(target=rename, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [412] * 7


def test_an_unknown_thing_is_not_found_before_it_is_stale(client: Caller, account: dict[str, Any]) -> None:
    path = account["id"][:-1] + ("0" if account["id"][-1] != "0" else "1")
    refusal(client.patch(f"/v1/accounts/{path}", {"name": "x"}, headers={"If-Match": '"a"'}), 404, "account_not_found")
