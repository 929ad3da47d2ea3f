"""Logs: one JSON object a line, with what is being worked on, and without secrets, whichever logger wrote it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from runtime import logs
from runtime.settings import Settings


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    """Leave the loggers of the other tests as they were."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    logs.unbind()


def write(how: Callable[[], None], capsys: pytest.CaptureFixture[str], settings: Settings | None = None) -> list[Any]:
    logs.configure(settings or Settings())
    how()
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def by_library() -> None:
    logging.getLogger("house").warning("a %s", "word", extra={"job": "billing", "api_key": "bb_live_x"})


def by_structlog() -> None:
    structlog.get_logger("house").warning("a word", job="billing", api_key="bb_live_x")


@pytest.mark.parametrize("how", [by_library, by_structlog])
def test_both_ways_of_logging_give_the_same_line(how: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> None:
    logs.bind(request_id="request-1")
    (entry,) = write(how, capsys)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "event": "a word",
        "level": "warning",
        "logger": "house",
        "job": "billing",
        "api_key": "[hidden]",
        "request_id": "request-1",
    }


def test_an_exception_is_one_line_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        try:
            raise ValueError("no")
        except ValueError:
            logging.getLogger("house").exception("it failed")

    (entry,) = write(fail, capsys)
    assert "ValueError: no" in entry["exception"]


def test_a_quieter_level_says_less(capsys: pytest.CaptureFixture[str]) -> None:
    def speak() -> None:
        structlog.get_logger("house").info("not this")
        logging.getLogger("house").info("nor this")
        logging.getLogger("house").error("but this")

    entries = write(speak, capsys, Settings(log_level="error"))
    assert [entry["event"] for entry in entries] == ["but this"]
