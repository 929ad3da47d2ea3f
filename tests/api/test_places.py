"""Sites, points and assignments over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Forbidden
from core.ids import decode
from services import metering_doubts, places, places_assignments
from services.paging import Window
from tests.api.conftest import Caller, NewCaller
from tests.builders.usage import NOW, assignment
from tests.conftest import Open


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


def test_a_point_is_found_by_its_external_id_its_path_and_its_site(hall: Caller) -> None:
    (point,) = hall.get("/v1/points?external_id=pdu-a").json["data"]
    assert (point["path"], point["kind"], point["rating"]) == ("rack-12/pdu-a", "pdu", {})
    assert hall.get("/v1/points?site=ams-1&path=rack-12/pdu-a").json["data"] == [point]
    assert hall.get(f"/v1/points/{point['id']}").json == point
    changed = hall.patch(
        f"/v1/points/{point['id']}", {"rating": {"current_a": "16.0", "voltage_v": "230", "phases": 3}}
    )
    assert changed.json["rating"] == {"current_a": "16", "voltage_v": "230", "phases": 3}


def test_a_site_code_and_a_path_within_a_site_are_unique(hall: Caller) -> None:
    site = {"code": "ams-1", "name": "Another", "time_zone": "UTC"}
    assert refused(hall.post("/v1/sites", site)) == (409, "code_taken")
    point = {"site": "ams-1", "path": "rack-12/pdu-a", "kind": "pdu"}
    assert refused(hall.post("/v1/points", point)) == (409, "path_taken")
    hall.made("/v1/sites", site | {"code": "ams-2"})
    hall.made("/v1/points", point | {"site": "ams-2"})


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"site": "nowhere"}, 422, "site_unknown"),
        ({"path": "/rack"}, 422, "malformed"),
        ({"path": "a//b"}, 422, "malformed"),
        ({"rating": {"power_w": 3680}}, 422, "decimal_string_expected"),
        ({"colour": "red"}, 422, "member_unknown"),
    ],
)
def test_a_broken_point_is_refused(hall: Caller, changes: dict[str, Any], status: int, code: str) -> None:
    point = {"site": "ams-1", "path": "rack-1", "kind": "pdu"} | changes
    assert refused(hall.post("/v1/points", point)) == (status, code)


def test_a_point_counts_for_one_item_at_a_time(hall: Caller) -> None:
    made = hall.made("/v1/assignments", assignment())
    assert (made["from"], made["to"], made["charge_code"]) == (NOW, None, "energy")
    other = assignment(subscription="sub-b", **{"from": "2026-02-01T00:00:00Z"})
    assert refused(hall.post("/v1/assignments", other)) == (409, "assignment_overlaps")
    ended = hall.patch(f"/v1/assignments/{made['id']}", {"to": "2026-02-01T00:00:00Z"})
    assert ended.json["to"] == "2026-02-01T00:00:00Z"
    hall.made("/v1/assignments", other)
    again = hall.patch(f"/v1/assignments/{made['id']}", {"to": "2026-02-01T00:00:01Z"})
    assert refused(again) == (409, "assignment_overlaps")
    assert len(hall.get("/v1/assignments?point=pdu-a").json["data"]) == 2
    assert len(hall.get("/v1/assignments?point=rack-12/pdu-a&subscription=sub-b").json["data"]) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"point": "nothing"}, "point_unknown"),
        ({"subscription": "nobody"}, "subscription_unknown"),
        ({"charge_code": "water"}, "charge_code_unknown"),
        ({"to": NOW}, "span_empty"),
        ({"from": "yesterday"}, "instant_malformed"),
    ],
)
def test_a_broken_assignment_is_refused(hall: Caller, changes: dict[str, Any], code: str) -> None:
    assert refused(hall.post("/v1/assignments", assignment(**changes))) == (422, code)


def test_strangers_see_nothing_and_customers_have_no_business_with_places(
    hall: Caller, stranger: Caller, new_caller: NewCaller
) -> None:
    made = hall.made("/v1/assignments", assignment())
    (point,) = hall.get("/v1/points").json["data"]
    (own,) = hall.get("/v1/accounts?external_id=acc-a").json["data"]
    customer = new_caller(account_id=decode("account", own["id"]))
    for path in (f"/v1/points/{point['id']}", f"/v1/assignments/{made['id']}", f"/v1/sites/{point['site']}"):
        assert hall.get(path).status_code == 200
        assert stranger.get(path).status_code == 404
        assert refused(customer.get(path)) == (403, "scope_missing")
    assert stranger.get("/v1/assignments").json["data"] == []
    assert refused(stranger.post("/v1/assignments", assignment())) == (422, "point_unknown")


def test_a_caller_of_one_account_sees_the_points_that_count_for_it_and_changes_none(
    hall: Caller, open_unit: Open
) -> None:
    hall.made("/v1/assignments", assignment())
    ids = {a["external_id"]: decode("account", a["id"]) for a in hall.get("/v1/accounts").json["data"]}
    for name, seen in (("acc-a", 1), ("acc-b", 0)):
        with open_unit(scope=frozenset({ids[name]})) as ctx:
            assert len(places.list_points(ctx, Window()).rows) == seen
            assert len(places.list_sites(ctx, Window()).rows) == seen
            assert len(places_assignments.list_assignments(ctx, Window()).rows) == seen
            assert metering_doubts.list_anomalies(ctx, Window()).rows == []
            with pytest.raises(Forbidden, match="provider_scope_required"):
                places.create_site(ctx, {"code": "x", "name": "x", "time_zone": "UTC"})
