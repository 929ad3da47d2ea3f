"""A sandbox's clock and its outbox of mails."""

from __future__ import annotations

from api.schemas import ListQuery, Schema, fields


class TestClockSet(Schema):
    now = fields.Instant(required=True, description="What the clock shall show.")


class TestClockAdvance(Schema):
    to = fields.Instant(required=True, description="Everything that falls due up to here runs, in order.")


class TestClock(Schema):
    now = fields.Instant(required=True)
    status = fields.Enum(
        ["ready", "advancing", "failed"],
        required=True,
        description="`failed` says in `detail` why it stopped; another advance goes on from there.",
    )
    target = fields.Instant(allow_none=True, description="Where it is going while it is advancing.")
    detail = fields.Text(allow_none=True, description="Why it failed, or what it stopped waiting for.")


class MailQuery(ListQuery):
    """The sandbox's mails, newest first."""


class MailAttachment(Schema):
    """A file that goes with a mail."""

    name = fields.String(required=True, example="INV-2026-000001.pdf")
    media_type = fields.String(required=True, example="application/pdf")


class SandboxMail(Schema):
    id = fields.TypeID("mail", required=True)
    to = fields.List(fields.String(), required=True)
    subject = fields.Text(required=True)
    body = fields.String(required=True, max_length=50_000, description="Plain text.")
    kind = fields.String(required=True, description="What it is for, such as `sign_in` or `dunning_reminder`.")
    account = fields.TypeID("account", attribute="account_id", allow_none=True)
    attachments = fields.List(fields.Nested(MailAttachment), required=True)
    created_at = fields.Instant(required=True)
