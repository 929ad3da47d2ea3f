"""Readings over HTTP: exchanges, what is held back and why, what is adopted later."""

from __future__ import annotations

from tests.api.conftest import Caller
from tests.builders.usage import codes, reading, used


def test_an_exchange_in_the_middle_is_seen_in_usage_anomalies_and_events(metered: Caller) -> None:
    rows = [reading(f"{h:02}:00", str(500 + h)) for h in range(6)]
    rows += [reading(f"{h:02}:00", str(h - 6), evidence={"serial": "ZB30"}) for h in range(6, 12)]
    metered.made("/v1/usage/readings", {"readings": rows})
    quality = used(metered)["items"][0]["quality"]
    assert (quality["measured"], quality["estimated"], quality["invalid"]) == ("10", "1", "0")
    (anomaly,) = metered.get("/v1/anomalies?type=swap&object=rack-12/pdu-a").json["data"]
    assert anomaly["evidence"]["naive_difference"] == "-505000"
    assert (anomaly["evidence"]["before"]["serial"], anomaly["evidence"]["after"]["serial"]) == ("ZA20", "ZB30")
    (told,) = metered.get("/v1/events?type=meter.swapped").json["data"]
    assert told["object"] == {"id": anomaly["id"], "kind": "anomaly"}
    assert [d["serial"] for d in metered.get("/v1/devices?point=pdu-a").json["data"]] == ["ZB30", "ZA20"]
    path = f"/v1/anomalies/{anomaly['id']}"
    assert metered.post(f"{path}/resolve").json["status"] == "resolved"
    assert metered.post(f"{path}/dismiss").status_code == 409
    assert metered.get("/v1/anomalies?status=open").json["data"] == []


def test_the_registers_of_an_exchange_can_be_entered(metered: Caller) -> None:
    rows = [reading(f"{h:02}:00", str(500 + h)) for h in range(6)]
    rows += [reading(f"{h:02}:00", str(h - 6), evidence={"serial": "ZB30"}) for h in range(6, 12)]
    metered.made("/v1/usage/readings", {"readings": rows})
    (point,) = metered.get("/v1/points?external_id=pdu-a").json["data"]
    noted = {"register": "active_energy", "unit": "kWh", "at": "2026-01-14T05:30:00Z", "reason": "work order 4711"}
    path = f"/v1/points/{point['id']}/exchanges"
    entered = metered.made(path, noted | {"closing": "505.75", "opening": "0"})
    assert (entered["closing"], entered["last"]["value"], entered["first"]["serial"]) == ("505750", "505000", "ZB30")
    quality = used(metered)["items"][0]["quality"]
    assert (quality["measured"], quality["substituted"], quality["estimated"]) == ("10", "0.75", "0")
    wrong = metered.post(path, noted | {"closing": 505.75, "opening": "0"})
    assert (wrong.status_code, wrong.json["code"]) == (422, "decimal_string_expected")
    again = metered.post(path, noted | {"closing": "505.75", "opening": "0"})
    assert (again.status_code, again.json["code"]) == (409, "instant_taken")
    assert metered.post("/v1/points/pt_01h455vb4pex5vsknk084sn02q/exchanges", noted).status_code in (404, 422)


def test_a_register_in_another_unit_is_held_and_listed(metered: Caller) -> None:
    metered.made("/v1/usage/readings", {"readings": [reading("00:00", "74057.676")]})
    receipt = metered.made("/v1/usage/readings", {"readings": [reading("01:00", "740.577")]})
    assert codes(receipt) == [(0, "unit_suspect")]
    (kept,) = metered.get("/v1/usage/quarantine?cause=unit_suspect").json["data"]
    assert (kept["value"], kept["unit"]) == ("740.577", "kWh")
    (anomaly,) = metered.get("/v1/anomalies?type=unit_suspect").json["data"]
    assert anomaly["evidence"]["factor"] == "100"


def test_bad_readings_are_refused_by_their_index_and_the_rest_is_taken(metered: Caller) -> None:
    metered.made("/v1/usage/readings", {"readings": [reading("00:00", "1000")]})
    receipt = metered.made(
        "/v1/usage/readings",
        {
            "readings": [
                reading("00:00", "1000"),
                reading("00:00", "1001"),
                reading("01:00", "-1"),
                reading("01:00", "notsupported"),
                reading("01:00", "1002", unit="GB"),
                reading("01:00", "1002", point="rack-99"),
                reading("2026-01-15T00:05:01Z", "1002"),
                reading("01:00", 1002),  # type: ignore[arg-type]
                reading("01:00", "1002", evidence={"uptime_s": 3}),
                reading("01:00", "1002"),
            ]
        },
    )
    assert (receipt["accepted"], receipt["duplicates"]) == (1, 1)
    assert codes(receipt) == [
        (1, "reading_conflict"),
        (2, "no_reading"),
        (3, "decimal_malformed"),
        (4, "unit_mismatch"),
        (5, "point_unknown"),
        (6, "ahead_of_clock"),
        (7, "decimal_string_expected"),
        (8, "decimal_string_expected"),
    ]
    assert used(metered)["items"][0]["quantity"] == "2"
    kept = metered.get("/v1/usage/quarantine").json["data"]
    assert {(k["cause"], k["point"], k["value"]) for k in kept} == {
        ("conflict", "rack-12/pdu-a", "1001"),
        ("unknown_point", "rack-99", "1002"),
    }


def test_readings_of_an_unknown_point_are_adopted(metered: Caller) -> None:
    rows = [reading(f"{h:02}:00", str(10 + h), point="new/pdu") for h in range(3)]
    assert metered.made("/v1/usage/readings", {"readings": rows})["accepted"] == 0
    body = {"sent_as": "new/pdu", "point": "pdu-a"}
    assert metered.made("/v1/usage/quarantine/adopt", body) == {
        "accepted": 3,
        "duplicates": 0,
        "rejected": 0,
        "remaining": 0,
    }
    assert used(metered)["items"][0]["quantity"] == "2"
    assert metered.made("/v1/usage/quarantine/adopt", body)["accepted"] == 0
    answer = metered.post("/v1/usage/quarantine/adopt", body | {"point": "nothing"})
    assert (answer.status_code, answer.json["code"]) == (422, "point_unknown")
