"""A sandbox's clock: set it, advance it, read the mails that it would have sent."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask.views import MethodView

from api.http import binary, blueprint, context, page, refuses, require
from api.schemas import page_of
from api.schemas.test_clock import MailQuery, SandboxMail, TestClock, TestClockAdvance, TestClockSet
from services import mail, mail_files, test_clock

blp = blueprint("test clock", "A sandbox's own clock, and the outbox of its mails.")

NOT_A_SANDBOX = "The provider is live: its time is the world's."
ADVANCING = "The clock is on its way: wait until it is ready."


@blp.route("/v1/test-clock")
class Clock(MethodView):
    @require("events:read", "admin:read")
    @refuses(409, not_a_sandbox=NOT_A_SANDBOX)
    @blp.response(200, TestClock)
    def get(self) -> Any:
        """What the sandbox's clock shows, and whether it is advancing."""
        return test_clock.get(context())

    @require("admin:write")
    @refuses(
        409,
        not_a_sandbox=NOT_A_SANDBOX,
        clock_advancing=ADVANCING,
        already_billed="Something was billed already; from then on the clock is only advanced.",
    )
    @blp.arguments(TestClockSet, example={"now": "2026-01-15T00:00:00Z"})
    @blp.response(200, TestClock)
    def post(self, body: dict[str, Any]) -> Any:
        """Set the sandbox's clock, before anything was billed."""
        return test_clock.set_now(context(), body["now"])


@blp.route("/v1/test-clock/advance")
class Advance(MethodView):
    @require("admin:write")
    @refuses(409, not_a_sandbox=NOT_A_SANDBOX, clock_advancing=ADVANCING)
    @refuses(422, to_before_now="The clock goes only forward.", to_too_far="Five years at most at a time.")
    @blp.arguments(TestClockAdvance, example={"to": "2026-02-01T02:00:00Z"})
    @blp.response(202, TestClock)
    def post(self, body: dict[str, Any]) -> Any:
        """Let time pass up to an instant: everything that falls due on the way runs, in order."""
        return test_clock.advance(context(), body["to"])


@blp.route("/v1/test-clock/outbox")
class Outbox(MethodView):
    @require("events:read", "admin:read")
    @refuses(409, not_a_sandbox=NOT_A_SANDBOX)
    @blp.arguments(MailQuery, location="query")
    @blp.response(200, page_of(SandboxMail))
    def get(self, query: dict[str, Any]) -> Any:
        """The mails that this sandbox would have sent, newest first."""
        test_clock.get(context())
        return page(query, lambda window: mail.list_mails(context(), window))


@blp.route("/v1/test-clock/outbox/<id(mail):mail_id>/attachments/<int:number>")
class OutboxAttachment(MethodView):
    @require("events:read", "admin:read")
    @refuses(409, not_a_sandbox=NOT_A_SANDBOX)
    @blp.response(200, {"type": "string", "format": "binary"}, content_type="application/pdf")
    def get(self, mail_id: UUID, number: int) -> Response:
        """A file of one of these mails, counted from 1."""
        ctx = context()
        test_clock.get(ctx)
        file = mail_files.read(ctx, mail.attachment(ctx, mail_id, number))
        return binary(file.data, file.media_type, filename=file.name)
