"""The tables, generated from the models.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.rules import as_login, as_owner, open_to, tenant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    as_owner()
    create()
    close()
    as_login()


def close() -> None:
    """Policies and grants, table by table."""
    tenant(
        "account",
        grants="select, insert, update (external_id, metadata, name, legal_name, email, country, time_zone, locale, mode, tax_id, purchase_order, cost_centre, address, next_bill_at, next_bill_on)",
        dispatch=("provider_id", "id", "payer_id", "path", "next_bill_at"),
    )
    tenant(
        "agent",
        grants="select, insert, update",
        dispatch=("provider_id", "id", "enrolment_hash", "enrolment_expires_at"),
    )
    tenant("allocation", grants="select, insert", dispatch=())
    tenant("anomaly", grants="select, insert, update", dispatch=())
    tenant(
        "api_key",
        grants="select, insert, update",
        dispatch=("provider_id", "id", "hash", "scopes", "account_id", "expires_at", "revoked_at"),
    )
    open_to("app_user", grants="select, insert, update", dispatch=())
    tenant("assignment", grants="select, insert, update", dispatch=())
    tenant("audit", grants="select, insert", dispatch=())
    tenant("billed_span", grants="select, insert, update (span, status)", dispatch=())
    tenant("billing_run", grants="select, insert, update", dispatch=("provider_id", "id", "status", "as_of"))
    tenant("billing_run_payer", grants="select, insert, update", dispatch=())
    tenant("blob", grants="select, insert", dispatch=())
    tenant("charge", grants="select, insert, update (invoice_line_id, released_at)", dispatch=())
    tenant(
        "delivery",
        grants="select, insert, update",
        dispatch=("provider_id", "id", "status", "next_at", "lease_until", "endpoint_id", "object_id", "sequence"),
    )
    tenant("device", grants="select, insert, update", dispatch=())
    tenant(
        "dunning_case",
        grants="select, insert, update",
        dispatch=("provider_id", "id", "invoice_id", "status", "next_at"),
    )
    tenant("dunning_step_done", grants="select, insert", dispatch=())
    tenant("epoch", grants="select, insert, update, delete", dispatch=())
    tenant("event_hour", grants="select, insert, update", dispatch=())
    tenant("gateway_account", grants="select, insert, update", dispatch=("provider_id", "id", "gateway"))
    tenant("gateway_customer", grants="select, insert, update", dispatch=())
    tenant("idempotency_record", grants="select, insert, update, delete", dispatch=("provider_id", "expires_at"))
    tenant(
        "inbound_event",
        grants="select, insert, update",
        dispatch=("provider_id", "id", "status", "next_at", "lease_until"),
    )
    tenant("interval", grants="select, insert, update, delete", dispatch=())
    tenant(
        "invoice",
        grants="select, insert, update",
        dispatch=("provider_id", "id", "status", "due_at", "finalized_at", "pdf_blob", "account_id"),
    )
    tenant("invoice_line", grants="select, insert, update, delete", dispatch=())
    tenant("ledger_account", grants="select, insert", dispatch=())
    tenant(
        "mail",
        grants="select, insert, update",
        dispatch=("provider_id", "id", "sandbox", "sent_at", "next_at", "lease_until"),
    )
    tenant("membership", grants="select, insert, update, delete", dispatch=())
    tenant("meter", grants="select, insert, update", dispatch=())
    tenant("number_series", grants="select, insert, update", dispatch=())
    tenant(
        "oauth_client",
        grants="select, insert, update",
        dispatch=("provider_id", "id", "client_id", "secret_hash", "scopes", "account_id", "agent_id", "revoked_at"),
    )
    tenant(
        "oauth_token",
        grants="select, insert, update, delete",
        dispatch=("provider_id", "id", "oauth_client_id", "token_hash", "scopes", "expires_at", "revoked_at"),
    )
    tenant(
        "outbox_event",
        grants="select, insert, update",
        dispatch=("provider_id", "id", "reacted_at", "fanned_out_at", "react_after", "object_id"),
    )
    tenant("payment", grants="select, insert, update", dispatch=())
    tenant(
        "payment_attempt",
        grants="select, insert, update",
        dispatch=("provider_id", "id", "status", "next_at", "lease_until", "intent_reference"),
    )
    tenant("payment_method", grants="select, insert, update", dispatch=())
    tenant("plan", grants="select, insert, update", dispatch=())
    tenant("plan_version", grants="select, insert", dispatch=())
    tenant("point", grants="select, insert, update", dispatch=())
    tenant("portal_link", grants="select, insert, update", dispatch=("provider_id", "id", "token_hash"))
    tenant("portal_session", grants="select, insert, update", dispatch=("provider_id", "id", "token_hash"))
    tenant("price", grants="select, insert", dispatch=())
    tenant("product", grants="select, insert, update", dispatch=())
    tenant(
        "provider",
        key="id",
        grants="select, insert, update",
        dispatch=("id", "sandbox", "name", "settings", "country", "time_zone", "currency"),
    )
    tenant("provisioning_request", grants="select, insert, update", dispatch=("provider_id", "id", "status", "next_at"))
    tenant("reading", grants="select, insert", dispatch=())
    tenant("reading_quarantine", grants="select, insert, update, delete", dispatch=())
    tenant(
        "refund", grants="select, insert, update", dispatch=("provider_id", "id", "status", "next_at", "lease_until")
    )
    tenant("register", grants="select, insert, update", dispatch=())
    tenant("register_hour", grants="select, insert, update", dispatch=())
    tenant(
        "scheduled_change", grants="select, insert, update", dispatch=("provider_id", "id", "status", "effective_at")
    )
    tenant("seller", grants="select, insert, update", dispatch=())
    tenant("site", grants="select, insert, update", dispatch=())
    tenant("subscription", grants="select, insert, update", dispatch=("provider_id", "id", "status", "start_at"))
    tenant("subscription_item", grants="select, insert", dispatch=())
    tenant("subscription_item_term", grants="select, insert", dispatch=())
    tenant("suspension", grants="select, insert, update", dispatch=())
    tenant(
        "test_clock",
        grants="select, insert, update",
        dispatch=("provider_id", "status", "lease_until", "now", "target"),
    )
    tenant("transfer", grants="select, insert", dispatch=())
    tenant("usage_event", grants="select, insert", dispatch=())
    tenant("usage_event_identity", grants="select, insert", dispatch=())
    tenant("webhook_endpoint", grants="select, insert, update, delete", dispatch=())


def create() -> None:
    """Tables, constraints, indexes."""
    # ### commands auto generated by Alembic - please adjust! ###
    op.create_table(
        "app_user",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_user")),
    )
    op.create_index("uq_app_user_email", "app_user", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "event_hour",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("meter_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("minimum", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("maximum", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("known_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "subscription_id", "meter_id", "hour", name=op.f("pk_event_hour")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "interval",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("register_id", sa.Uuid(), nullable=False),
        sa.Column("start_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("end_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("start_value", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("quality", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("metered", sa.Numeric(precision=38, scale=12), nullable=True),
        sa.Column("known_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("(quality = 'invalid') = (metered IS NOT NULL)", name=op.f("ck_interval_metered")),
        sa.CheckConstraint(
            "quality IN ('measured', 'interpolated', 'estimated', 'substituted', 'invalid')",
            name=op.f("ck_interval_quality"),
        ),
        sa.CheckConstraint("end_at > start_at", name=op.f("ck_interval_span")),
        sa.PrimaryKeyConstraint("provider_id", "register_id", "start_at", name=op.f("pk_interval")),
    )
    op.create_index(
        "ix_interval_doubtful",
        "interval",
        ["provider_id", "register_id", "end_at"],
        unique=False,
        postgresql_where=sa.text("quality <> 'measured'"),
    )
    op.create_table(
        "provider",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sandbox", sa.Boolean(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column(
            "settings", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider")),
    )
    op.create_table(
        "reading",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("register_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("value", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "register_id", "at", name=op.f("pk_reading")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_table(
        "register_hour",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("register_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("measured", sa.Numeric(), nullable=False),
        sa.Column("interpolated", sa.Numeric(), nullable=False),
        sa.Column("estimated", sa.Numeric(), nullable=False),
        sa.Column("substituted", sa.Numeric(), nullable=False),
        sa.Column("invalid", sa.Numeric(), nullable=False),
        sa.Column("intervals", sa.Integer(), nullable=False),
        sa.Column("known_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "register_id", "hour", name=op.f("pk_register_hour")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "usage_event",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("meter_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("properties", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "provider_id", "subscription_id", "meter_id", "at", "digest", name=op.f("pk_usage_event")
        ),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_table(
        "usage_event_identity",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "digest", name=op.f("pk_usage_event_identity")),
    )
    op.create_table(
        "audit",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("object_kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_audit_provider_id")),
        sa.PrimaryKeyConstraint("provider_id", "number", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_object", "audit", ["provider_id", "object_id", "number"], unique=False)
    op.create_table(
        "billing_run",
        sa.Column("as_of", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("finalizes", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("status", sa.Text(), server_default="running", nullable=False),
        sa.Column("finished_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("status IN ('running', 'done')", name=op.f("ck_billing_run_status")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_billing_run_provider_id")),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_billing_run")),
    )
    op.create_index(
        "ix_billing_run_running",
        "billing_run",
        ["provider_id", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_index(
        "uq_billing_run_external_id",
        "billing_run",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "blob",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_blob_provider_id")),
        sa.PrimaryKeyConstraint("provider_id", "sha256", name=op.f("pk_blob")),
    )
    op.create_table(
        "idempotency_record",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("credential", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column(
            "headers", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("status BETWEEN 200 AND 399", name=op.f("ck_idempotency_record_status")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_idempotency_record_provider_id")),
        sa.PrimaryKeyConstraint(
            "provider_id", "credential", "method", "path", "key", name=op.f("pk_idempotency_record")
        ),
    )
    op.create_index("ix_idempotency_record_expires_at", "idempotency_record", ["expires_at"], unique=False)
    op.create_table(
        "mail",
        sa.Column("sandbox", sa.Boolean(), nullable=False),
        sa.Column("to", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("object_kind", sa.Text(), nullable=True),
        sa.Column("object_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("lease_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("sent_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_mail_provider_id")),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_mail")),
    )
    op.create_index(
        "ix_mail_pending",
        "mail",
        ["provider_id", "created_at"],
        unique=False,
        postgresql_where=sa.text("sent_at IS NULL AND NOT sandbox"),
    )
    op.create_table(
        "meter",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("aggregation", sa.Text(), nullable=False),
        sa.Column(
            "parameters", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("register", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_meter_provider_id")),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_meter")),
        sa.UniqueConstraint("provider_id", "code", name=op.f("uq_meter_provider_id_code")),
    )
    op.create_index(
        "uq_meter_external_id",
        "meter",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "outbox_event",
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("object_kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reacted_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("react_tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("react_after", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("react_error", sa.Text(), nullable=True),
        sa.Column("fanned_out_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_outbox_event_provider_id")),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_outbox_event")),
        sa.UniqueConstraint(
            "provider_id", "object_id", "sequence", name=op.f("uq_outbox_event_provider_id_object_id_sequence")
        ),
    )
    op.create_index("ix_outbox_event_type", "outbox_event", ["provider_id", "type", "id"], unique=False)
    op.create_index(
        "ix_outbox_event_unfanned",
        "outbox_event",
        ["provider_id", "id"],
        unique=False,
        postgresql_where=sa.text("fanned_out_at IS NULL"),
    )
    op.create_index(
        "ix_outbox_event_unreacted",
        "outbox_event",
        ["provider_id", "id"],
        unique=False,
        postgresql_where=sa.text("reacted_at IS NULL"),
    )
    op.create_table(
        "plan",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_plan_provider_id")),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_plan")),
        sa.UniqueConstraint("provider_id", "code", name=op.f("uq_plan_provider_id_code")),
    )
    op.create_index(
        "uq_plan_external_id",
        "plan",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "product",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tax_class", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_product_provider_id")),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_product")),
        sa.UniqueConstraint("provider_id", "code", name=op.f("uq_product_provider_id_code")),
    )
    op.create_index(
        "uq_product_external_id",
        "product",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "reading_quarantine",
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("point", sa.Text(), nullable=False),
        sa.Column("register", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("value", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("adopted_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("cause IN ('conflict', 'unknown_point')", name=op.f("ck_reading_quarantine_cause")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_reading_quarantine_provider_id")),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_reading_quarantine")),
    )
    op.create_index(
        "uq_reading_quarantine_identity",
        "reading_quarantine",
        ["provider_id", "point", "register", "at", "value"],
        unique=True,
    )
    op.create_table(
        "seller",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("legal_name", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column(
            "address", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("tax_id", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("website", sa.Text(), nullable=True),
        sa.Column(
            "bank", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("brand_color", sa.Text(), nullable=True),
        sa.Column("logo_svg", sa.Text(), nullable=True),
        sa.Column("locale", sa.Text(), server_default="en", nullable=False),
        sa.Column("number_prefix", sa.Text(), server_default="INV", nullable=False),
        sa.Column("payment_terms_days", sa.Integer(), server_default=sa.text("14"), nullable=False),
        sa.Column("tax_rate", sa.Numeric(precision=38, scale=12), server_default=sa.text("0"), nullable=False),
        sa.Column("tax_name", sa.Text(), server_default="VAT", nullable=False),
        sa.Column("footer", sa.Text(), nullable=True),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("payment_terms_days BETWEEN 0 AND 365", name=op.f("ck_seller_payment_terms_days")),
        sa.CheckConstraint("tax_rate >= 0 AND tax_rate < 100", name=op.f("ck_seller_tax_rate")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_seller_provider_id")),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_seller")),
    )
    op.create_index("uq_seller_default", "seller", ["provider_id"], unique=True, postgresql_where=sa.text("is_default"))
    op.create_index(
        "uq_seller_external_id",
        "seller",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "site",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_site_provider_id")),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_site")),
        sa.UniqueConstraint("provider_id", "code", name=op.f("uq_site_provider_id_code")),
    )
    op.create_index(
        "uq_site_external_id",
        "site",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "test_clock",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("now", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("target", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("status", sa.Text(), server_default="ready", nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("status <> 'advancing' OR target IS NOT NULL", name=op.f("ck_test_clock_target")),
        sa.CheckConstraint("status IN ('ready', 'advancing', 'failed')", name=op.f("ck_test_clock_status")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_test_clock_provider_id")),
        sa.PrimaryKeyConstraint("provider_id", name=op.f("pk_test_clock")),
    )
    op.create_table(
        "webhook_endpoint",
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("types", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("status IN ('active', 'disabled')", name=op.f("ck_webhook_endpoint_status")),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_webhook_endpoint_provider_id")),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_webhook_endpoint")),
    )
    op.create_index(
        "uq_webhook_endpoint_external_id",
        "webhook_endpoint",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "account",
        sa.Column("seller_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("path", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("legal_name", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("mode", sa.Text(), server_default="postpaid", nullable=False),
        sa.Column("tax_id", sa.Text(), nullable=True),
        sa.Column("purchase_order", sa.Text(), nullable=True),
        sa.Column("cost_centre", sa.Text(), nullable=True),
        sa.Column(
            "address", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("next_bill_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("next_bill_on", sa.Date(), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("mode IN ('postpaid', 'prepaid')", name=op.f("ck_account_mode")),
        sa.CheckConstraint("(next_bill_at IS NULL) OR (payer_id = id)", name=op.f("ck_account_next_bill_at")),
        sa.CheckConstraint("(parent_id IS NULL) = (cardinality(path) = 1)", name=op.f("ck_account_root")),
        sa.CheckConstraint("(payer_id = id) OR parent_id IS NOT NULL", name=op.f("ck_account_payer")),
        sa.CheckConstraint("path[cardinality(path)] = id", name=op.f("ck_account_path")),
        sa.ForeignKeyConstraint(
            ["provider_id", "parent_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_account_provider_id_parent_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "payer_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_account_provider_id_payer_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "seller_id"],
            ["seller.provider_id", "seller.id"],
            name=op.f("fk_account_provider_id_seller_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_account")),
    )
    op.create_index(
        "ix_account_next_bill_at",
        "account",
        ["next_bill_at"],
        unique=False,
        postgresql_where=sa.text("next_bill_at IS NOT NULL"),
    )
    op.create_index("ix_account_parent", "account", ["provider_id", "parent_id"], unique=False)
    op.create_index("ix_account_path", "account", ["path"], unique=False, postgresql_using="gin")
    op.create_index("ix_account_payer", "account", ["provider_id", "payer_id"], unique=False)
    op.create_index(
        "uq_account_external_id",
        "account",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "agent",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "targets", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("target_secrets", sa.LargeBinary(), nullable=True),
        sa.Column("interval_s", sa.Integer(), server_default=sa.text("300"), nullable=False),
        sa.Column("config_version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("enrolment_hash", sa.LargeBinary(), nullable=True),
        sa.Column("enrolment_expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("enrolled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("queue_depth", sa.Integer(), nullable=True),
        sa.Column("clock_offset_ms", sa.Integer(), nullable=True),
        sa.Column("last_seen_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reached_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("passed_over_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "site_id"], ["site.provider_id", "site.id"], name=op.f("fk_agent_provider_id_site_id")
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_agent")),
    )
    op.create_index(
        "uq_agent_enrolment_hash",
        "agent",
        ["enrolment_hash"],
        unique=True,
        postgresql_where=sa.text("enrolment_hash IS NOT NULL"),
    )
    op.create_index(
        "uq_agent_external_id",
        "agent",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "delivery",
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_try_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("next_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("lease_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column(
            "log", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("status IN ('pending', 'delivered', 'retrying', 'dead')", name=op.f("ck_delivery_status")),
        sa.ForeignKeyConstraint(
            ["provider_id", "endpoint_id"],
            ["webhook_endpoint.provider_id", "webhook_endpoint.id"],
            name=op.f("fk_delivery_provider_id_endpoint_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "event_id"],
            ["outbox_event.provider_id", "outbox_event.id"],
            name=op.f("fk_delivery_provider_id_event_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_delivery")),
        sa.UniqueConstraint(
            "provider_id", "endpoint_id", "event_id", name=op.f("uq_delivery_provider_id_endpoint_id_event_id")
        ),
    )
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('pending', 'retrying')"),
    )
    op.create_index(
        "ix_delivery_order", "delivery", ["provider_id", "endpoint_id", "object_id", "sequence"], unique=False
    )
    op.create_table(
        "gateway_account",
        sa.Column("seller_id", sa.Uuid(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("credentials", sa.LargeBinary(), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "seller_id"],
            ["seller.provider_id", "seller.id"],
            name=op.f("fk_gateway_account_provider_id_seller_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_gateway_account")),
    )
    op.create_index(
        "uq_gateway_account_default",
        "gateway_account",
        ["provider_id", "seller_id"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )
    op.create_index(
        "uq_gateway_account_external_id",
        "gateway_account",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "number_series",
        sa.Column("seller_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("next", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("next >= 1", name=op.f("ck_number_series_next")),
        sa.ForeignKeyConstraint(
            ["provider_id", "seller_id"],
            ["seller.provider_id", "seller.id"],
            name=op.f("fk_number_series_provider_id_seller_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_number_series")),
        sa.UniqueConstraint(
            "provider_id", "seller_id", "kind", "year", name=op.f("uq_number_series_provider_id_seller_id_kind_year")
        ),
    )
    op.create_table(
        "plan_version",
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("effective_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "plan_id"],
            ["plan.provider_id", "plan.id"],
            name=op.f("fk_plan_version_provider_id_plan_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_plan_version")),
        sa.UniqueConstraint(
            "provider_id", "plan_id", "number", name=op.f("uq_plan_version_provider_id_plan_id_number")
        ),
    )
    op.create_table(
        "point",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "rating", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "site_id"], ["site.provider_id", "site.id"], name=op.f("fk_point_provider_id_site_id")
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_point")),
        sa.UniqueConstraint("provider_id", "site_id", "path", name=op.f("uq_point_provider_id_site_id_path")),
    )
    op.create_index("ix_point_path", "point", ["provider_id", "path"], unique=False)
    op.create_index(
        "uq_point_external_id",
        "point",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "anomaly",
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("register", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "evidence", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "status IN ('open', 'acknowledged', 'resolved', 'dismissed')", name=op.f("ck_anomaly_status")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "point_id"], ["point.provider_id", "point.id"], name=op.f("fk_anomaly_provider_id_point_id")
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_anomaly")),
    )
    op.create_index(
        "uq_anomaly_identity", "anomaly", ["provider_id", "point_id", "register", "kind", "at"], unique=True
    )
    op.create_table(
        "api_key",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "account_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_api_key_provider_id_account_id"),
        ),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_api_key_provider_id")),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("hash", name=op.f("uq_api_key_hash")),
    )
    op.create_index(
        "uq_api_key_external_id",
        "api_key",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "billing_run_payer",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("bill_on", sa.Date(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column(
            "waiting", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("(status = 'parked') = (reason IS NOT NULL)", name=op.f("ck_billing_run_payer_reason")),
        sa.CheckConstraint("status IN ('pending', 'done', 'parked')", name=op.f("ck_billing_run_payer_status")),
        sa.ForeignKeyConstraint(
            ["provider_id", "payer_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_billing_run_payer_provider_id_payer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "run_id"],
            ["billing_run.provider_id", "billing_run.id"],
            name=op.f("fk_billing_run_payer_provider_id_run_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "run_id", "payer_id", name=op.f("pk_billing_run_payer")),
    )
    op.create_index(
        "ix_billing_run_payer_open",
        "billing_run_payer",
        ["provider_id", "run_id"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "device",
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("from_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("to_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("to_at IS NULL OR to_at >= from_at", name=op.f("ck_device_to_at")),
        sa.ForeignKeyConstraint(
            ["provider_id", "point_id"], ["point.provider_id", "point.id"], name=op.f("fk_device_provider_id_point_id")
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_device")),
    )
    op.create_index("ix_device_point", "device", ["provider_id", "point_id", "from_at"], unique=False)
    op.create_index(
        "uq_device_external_id",
        "device",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "gateway_customer",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("gateway_account_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "account_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_gateway_customer_provider_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "gateway_account_id"],
            ["gateway_account.provider_id", "gateway_account.id"],
            name=op.f("fk_gateway_customer_provider_id_gateway_account_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "gateway_account_id", "account_id", name=op.f("pk_gateway_customer")),
    )
    op.create_table(
        "inbound_event",
        sa.Column("gateway_account_id", sa.Uuid(), nullable=False),
        sa.Column("event_reference", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("lease_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("status IN ('pending', 'done', 'ignored', 'failed')", name=op.f("ck_inbound_event_status")),
        sa.ForeignKeyConstraint(
            ["provider_id", "gateway_account_id"],
            ["gateway_account.provider_id", "gateway_account.id"],
            name=op.f("fk_inbound_event_provider_id_gateway_account_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_inbound_event")),
        sa.UniqueConstraint(
            "provider_id",
            "gateway_account_id",
            "event_reference",
            name=op.f("uq_inbound_event_provider_id_gateway_account_id_event_reference"),
        ),
    )
    op.create_index(
        "ix_inbound_event_pending",
        "inbound_event",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "invoice",
        sa.Column("seller_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), server_default="draft", nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("grouping_key", sa.Text(), server_default="", nullable=False),
        sa.Column("bill_on", sa.Date(), nullable=False),
        sa.Column("finalizes", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("series_id", sa.Uuid(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("due_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("finalized_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("voided_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("paid_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("net_amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("tax_amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rounding_amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total_amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("settled_amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "taxes", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("seller_snapshot", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("buyer_snapshot", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("payment_instructions", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("template_version", sa.Text(), nullable=True),
        sa.Column("purchase_order", sa.Text(), nullable=True),
        sa.Column("pdf_blob", sa.LargeBinary(), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("(status IN ('draft', 'discarded')) = (number IS NULL)", name=op.f("ck_invoice_numbered")),
        sa.CheckConstraint("status <> 'paid' OR settled_amount = total_amount", name=op.f("ck_invoice_paid")),
        sa.CheckConstraint(
            "status IN ('draft', 'open', 'paid', 'void', 'uncollectible', 'discarded')", name=op.f("ck_invoice_status")
        ),
        sa.CheckConstraint("(number IS NULL) = (finalized_at IS NULL)", name=op.f("ck_invoice_finalized")),
        sa.CheckConstraint("(sequence IS NULL) = (number IS NULL)", name=op.f("ck_invoice_number")),
        sa.CheckConstraint("settled_amount BETWEEN 0 AND total_amount", name=op.f("ck_invoice_settled")),
        sa.CheckConstraint("total_amount = net_amount + tax_amount + rounding_amount", name=op.f("ck_invoice_total")),
        sa.ForeignKeyConstraint(
            ["provider_id", "account_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_invoice_provider_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "run_id"],
            ["billing_run.provider_id", "billing_run.id"],
            name=op.f("fk_invoice_provider_id_run_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "seller_id"],
            ["seller.provider_id", "seller.id"],
            name=op.f("fk_invoice_provider_id_seller_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "series_id"],
            ["number_series.provider_id", "number_series.id"],
            name=op.f("fk_invoice_provider_id_series_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_invoice")),
        sa.UniqueConstraint(
            "provider_id", "series_id", "sequence", name=op.f("uq_invoice_provider_id_series_id_sequence")
        ),
    )
    op.create_index("ix_invoice_account", "invoice", ["provider_id", "account_id", "id"], unique=False)
    op.create_index(
        "ix_invoice_draft",
        "invoice",
        ["provider_id", "bill_on"],
        unique=False,
        postgresql_where=sa.text("status = 'draft'"),
    )
    op.create_index("ix_invoice_due", "invoice", ["due_at"], unique=False, postgresql_where=sa.text("status = 'open'"))
    op.create_index("ix_invoice_run", "invoice", ["provider_id", "run_id"], unique=False)
    op.create_index(
        "ix_invoice_without_pdf",
        "invoice",
        ["finalized_at"],
        unique=False,
        postgresql_where=sa.text("pdf_blob IS NULL AND finalized_at IS NOT NULL"),
    )
    op.create_index(
        "uq_invoice_external_id",
        "invoice",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "ledger_account",
        sa.Column("seller_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("gateway_account_id", sa.Uuid(), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "account_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_ledger_account_provider_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "gateway_account_id"],
            ["gateway_account.provider_id", "gateway_account.id"],
            name=op.f("fk_ledger_account_provider_id_gateway_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "seller_id"],
            ["seller.provider_id", "seller.id"],
            name=op.f("fk_ledger_account_provider_id_seller_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_ledger_account")),
        sa.UniqueConstraint("provider_id", "id", "currency", name=op.f("uq_ledger_account_provider_id_id_currency")),
    )
    op.create_index(
        "uq_ledger_account_name",
        "ledger_account",
        ["provider_id", "seller_id", "kind", "currency", "account_id", "gateway_account_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "membership",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "role IN ('operator', 'reseller', 'customer', 'integrator')", name=op.f("ck_membership_role")
        ),
        sa.CheckConstraint(
            "role NOT IN ('reseller', 'customer') OR account_id IS NOT NULL", name=op.f("ck_membership_account")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "account_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_membership_provider_id_account_id"),
        ),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_membership_provider_id")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_membership_user_id")),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_membership")),
    )
    op.create_index(
        "uq_membership_user",
        "membership",
        ["provider_id", "user_id", "account_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "oauth_client",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("revoked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "account_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_oauth_client_provider_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "agent_id"],
            ["agent.provider_id", "agent.id"],
            name=op.f("fk_oauth_client_provider_id_agent_id"),
        ),
        sa.ForeignKeyConstraint(["provider_id"], ["provider.id"], name=op.f("fk_oauth_client_provider_id")),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_oauth_client")),
        sa.UniqueConstraint("client_id", name=op.f("uq_oauth_client_client_id")),
    )
    op.create_index(
        "uq_oauth_client_external_id",
        "oauth_client",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "payment_method",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("gateway_account_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("customer_reference", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "summary", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("status IN ('active', 'detached')", name=op.f("ck_payment_method_status")),
        sa.ForeignKeyConstraint(
            ["provider_id", "account_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_payment_method_provider_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "gateway_account_id"],
            ["gateway_account.provider_id", "gateway_account.id"],
            name=op.f("fk_payment_method_provider_id_gateway_account_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_payment_method")),
        sa.UniqueConstraint(
            "provider_id",
            "gateway_account_id",
            "reference",
            name=op.f("uq_payment_method_provider_id_gateway_account_id_reference"),
        ),
    )
    op.create_index(
        "uq_payment_method_default",
        "payment_method",
        ["provider_id", "account_id"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )
    op.create_index(
        "uq_payment_method_external_id",
        "payment_method",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "portal_link",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("used_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "account_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_portal_link_provider_id_account_id"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_portal_link_user_id")),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_portal_link")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_portal_link_token_hash")),
    )
    op.create_table(
        "portal_session",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("csrf", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "account_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_portal_session_provider_id_account_id"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_portal_session_user_id")),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_portal_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_portal_session_token_hash")),
    )
    op.create_table(
        "price",
        sa.Column("plan_version_id", sa.Uuid(), nullable=False),
        sa.Column("charge_code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("interval_unit", sa.Text(), nullable=True),
        sa.Column("interval_count", sa.Integer(), nullable=True),
        sa.Column("timing", sa.Text(), nullable=False),
        sa.Column("proration", sa.Text(), nullable=False),
        sa.Column("meter_id", sa.Uuid(), nullable=True),
        sa.Column("currencies", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("(kind = 'usage') = (meter_id IS NOT NULL)", name=op.f("ck_price_meter")),
        sa.CheckConstraint("kind <> 'usage' OR timing = 'arrears'", name=op.f("ck_price_usage_in_arrears")),
        sa.CheckConstraint("kind = 'one_off' OR interval_unit IS NOT NULL", name=op.f("ck_price_recurs")),
        sa.CheckConstraint("kind IN ('recurring', 'one_off', 'usage')", name=op.f("ck_price_kind")),
        sa.CheckConstraint("proration IN ('day', 'second', 'day_30_360', 'none')", name=op.f("ck_price_proration")),
        sa.CheckConstraint("timing IN ('advance', 'arrears')", name=op.f("ck_price_timing")),
        sa.CheckConstraint("(interval_unit IS NULL) = (interval_count IS NULL)", name=op.f("ck_price_interval")),
        sa.ForeignKeyConstraint(
            ["provider_id", "meter_id"], ["meter.provider_id", "meter.id"], name=op.f("fk_price_provider_id_meter_id")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "plan_version_id"],
            ["plan_version.provider_id", "plan_version.id"],
            name=op.f("fk_price_provider_id_plan_version_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "product_id"],
            ["product.provider_id", "product.id"],
            name=op.f("fk_price_provider_id_product_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_price")),
        sa.UniqueConstraint(
            "provider_id",
            "plan_version_id",
            "charge_code",
            name=op.f("uq_price_provider_id_plan_version_id_charge_code"),
        ),
    )
    op.create_table(
        "register",
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="counter", nullable=False),
        sa.Column("reading_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("value", sa.Numeric(precision=38, scale=12), nullable=True),
        sa.Column("boots", sa.BigInteger(), nullable=True),
        sa.Column("uptime_s", sa.Numeric(precision=38, scale=12), nullable=True),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("reset_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("rate_quantity", sa.Numeric(precision=38, scale=12), nullable=True),
        sa.Column("rate_seconds", sa.Numeric(precision=38, scale=12), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("kind IN ('counter', 'gauge')", name=op.f("ck_register_kind")),
        sa.ForeignKeyConstraint(
            ["provider_id", "point_id"],
            ["point.provider_id", "point.id"],
            name=op.f("fk_register_provider_id_point_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_register")),
        sa.UniqueConstraint("provider_id", "point_id", "name", name=op.f("uq_register_provider_id_point_id_name")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "subscription",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=False),
        sa.Column(
            "quantities", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("anchor", sa.Text(), nullable=False),
        sa.Column("start_on", sa.Text(), nullable=False),
        sa.Column("start_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("purchase_order", sa.Text(), nullable=True),
        sa.Column("cost_centre", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("anchor IN ('calendar', 'anniversary')", name=op.f("ck_subscription_anchor")),
        sa.CheckConstraint("start_on IN ('at', 'provisioned')", name=op.f("ck_subscription_start_on")),
        sa.CheckConstraint(
            "status IN ('pending', 'cancelled') OR start_at IS NOT NULL", name=op.f("ck_subscription_started")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'trialing', 'active', 'suspended', 'paused', 'cancelled', 'expired')",
            name=op.f("ck_subscription_status"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "account_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_subscription_provider_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "plan_id"],
            ["plan.provider_id", "plan.id"],
            name=op.f("fk_subscription_provider_id_plan_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "plan_version_id"],
            ["plan_version.provider_id", "plan_version.id"],
            name=op.f("fk_subscription_provider_id_plan_version_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_subscription")),
    )
    op.create_index("ix_subscription_account", "subscription", ["provider_id", "account_id"], unique=False)
    op.create_index(
        "ix_subscription_pending",
        "subscription",
        ["start_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending' AND start_at IS NOT NULL"),
    )
    op.create_index(
        "uq_subscription_external_id",
        "subscription",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "dunning_case",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("policy", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("opened_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("next_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("closed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "status IN ('open', 'paused', 'recovered', 'exhausted')", name=op.f("ck_dunning_case_status")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "account_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_dunning_case_provider_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "invoice_id"],
            ["invoice.provider_id", "invoice.id"],
            name=op.f("fk_dunning_case_provider_id_invoice_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_dunning_case")),
        sa.UniqueConstraint("provider_id", "invoice_id", name=op.f("uq_dunning_case_provider_id_invoice_id")),
    )
    op.create_index(
        "ix_dunning_case_due", "dunning_case", ["next_at"], unique=False, postgresql_where=sa.text("status = 'open'")
    )
    op.create_table(
        "epoch",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("register_id", sa.Uuid(), nullable=False),
        sa.Column("start_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("value", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("serial_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reset_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reset_seen_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "evidence", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "register_id"],
            ["register.provider_id", "register.id"],
            name=op.f("fk_epoch_provider_id_register_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "register_id", "start_at", name=op.f("pk_epoch")),
    )
    op.create_table(
        "invoice_line",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("charge_code", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_name", sa.Text(), nullable=False),
        sa.Column("subscription_reference", sa.Text(), nullable=False),
        sa.Column("beneficiary_id", sa.Uuid(), nullable=False),
        sa.Column("beneficiary_name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("start_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("end_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("unit_price", sa.Numeric(precision=38, scale=12), nullable=True),
        sa.Column("exact", sa.Numeric(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("tax_category", sa.Text(), nullable=False),
        sa.Column("tax_rate", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("quality", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("purchase_order", sa.Text(), nullable=True),
        sa.Column("cost_centre", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "beneficiary_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_invoice_line_provider_id_beneficiary_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "invoice_id"],
            ["invoice.provider_id", "invoice.id"],
            name=op.f("fk_invoice_line_provider_id_invoice_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "subscription_id"],
            ["subscription.provider_id", "subscription.id"],
            name=op.f("fk_invoice_line_provider_id_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_invoice_line")),
        sa.UniqueConstraint(
            "provider_id", "invoice_id", "position", name=op.f("uq_invoice_line_provider_id_invoice_id_position")
        ),
    )
    op.create_table(
        "oauth_token",
        sa.Column("oauth_client_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("issued_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "oauth_client_id"],
            ["oauth_client.provider_id", "oauth_client.id"],
            name=op.f("fk_oauth_token_provider_id_oauth_client_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_oauth_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_oauth_token_token_hash")),
    )
    op.create_table(
        "payment_attempt",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("payment_method_id", sa.Uuid(), nullable=False),
        sa.Column("gateway_account_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("status", sa.Text(), server_default="created", nullable=False),
        sa.Column("next_step", sa.Text(), server_default="announce", nullable=False),
        sa.Column("then", sa.Text(), nullable=True),
        sa.Column("intent_reference", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("decline_code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("retryable", sa.Boolean(), nullable=True),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("finished_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("lease_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "next_step IN ('announce', 'confirm', 'ask', 'cancel')", name=op.f("ck_payment_attempt_next_step")
        ),
        sa.CheckConstraint(
            "status IN ('created', 'submitted', 'succeeded', 'failed', 'requires_action', 'unknown')",
            name=op.f("ck_payment_attempt_status"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('succeeded', 'failed') OR next_at IS NULL", name=op.f("ck_payment_attempt_next_at")
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_attempt_amount")),
        sa.ForeignKeyConstraint(
            ["provider_id", "account_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_payment_attempt_provider_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "gateway_account_id"],
            ["gateway_account.provider_id", "gateway_account.id"],
            name=op.f("fk_payment_attempt_provider_id_gateway_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "invoice_id"],
            ["invoice.provider_id", "invoice.id"],
            name=op.f("fk_payment_attempt_provider_id_invoice_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "payment_method_id"],
            ["payment_method.provider_id", "payment_method.id"],
            name=op.f("fk_payment_attempt_provider_id_payment_method_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_payment_attempt")),
    )
    op.create_index("ix_payment_attempt_invoice", "payment_attempt", ["provider_id", "invoice_id"], unique=False)
    op.create_index(
        "ix_payment_attempt_open",
        "payment_attempt",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index(
        "uq_payment_attempt_intent",
        "payment_attempt",
        ["provider_id", "gateway_account_id", "intent_reference"],
        unique=True,
    )
    op.create_index(
        "uq_payment_attempt_running",
        "payment_attempt",
        ["provider_id", "invoice_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('created', 'submitted', 'requires_action', 'unknown')"),
    )
    op.create_table(
        "provisioning_request",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("asked_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("next_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("answered_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "kind IN ('provision', 'suspend', 'resume', 'change', 'deprovision')",
            name=op.f("ck_provisioning_request_kind"),
        ),
        sa.CheckConstraint("status IN ('open', 'answered', 'superseded')", name=op.f("ck_provisioning_request_status")),
        sa.ForeignKeyConstraint(
            ["provider_id", "subscription_id"],
            ["subscription.provider_id", "subscription.id"],
            name=op.f("fk_provisioning_request_provider_id_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_provisioning_request")),
    )
    op.create_index(
        "ix_provisioning_request_subscription",
        "provisioning_request",
        ["provider_id", "subscription_id", "asked_at"],
        unique=False,
    )
    op.create_index(
        "ix_provisioning_request_unanswered",
        "provisioning_request",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_index(
        "uq_provisioning_request_open",
        "provisioning_request",
        ["provider_id", "subscription_id"],
        unique=True,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_table(
        "scheduled_change",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("effective_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), server_default="scheduled", nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "status IN ('scheduled', 'done', 'withdrawn', 'failed')", name=op.f("ck_scheduled_change_status")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "subscription_id"],
            ["subscription.provider_id", "subscription.id"],
            name=op.f("fk_scheduled_change_provider_id_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_scheduled_change")),
    )
    op.create_index(
        "ix_scheduled_change_due",
        "scheduled_change",
        ["effective_at"],
        unique=False,
        postgresql_where=sa.text("status = 'scheduled'"),
    )
    op.create_index(
        "ix_scheduled_change_subscription", "scheduled_change", ["provider_id", "subscription_id"], unique=False
    )
    op.create_table(
        "subscription_item",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("charge_code", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "subscription_id"],
            ["subscription.provider_id", "subscription.id"],
            name=op.f("fk_subscription_item_provider_id_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_subscription_item")),
        sa.UniqueConstraint(
            "provider_id", "id", "charge_code", name=op.f("uq_subscription_item_provider_id_id_charge_code")
        ),
        sa.UniqueConstraint(
            "provider_id",
            "subscription_id",
            "charge_code",
            name=op.f("uq_subscription_item_provider_id_subscription_id_charge_code"),
        ),
    )
    op.create_table(
        "transfer",
        sa.Column("debit_id", sa.Uuid(), nullable=False),
        sa.Column("credit_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("cause_kind", sa.Text(), nullable=False),
        sa.Column("cause_id", sa.Uuid(), nullable=False),
        sa.Column("leg", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "detail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_transfer_amount")),
        sa.CheckConstraint("debit_id <> credit_id", name=op.f("ck_transfer_sides")),
        sa.ForeignKeyConstraint(
            ["provider_id", "credit_id", "currency"],
            ["ledger_account.provider_id", "ledger_account.id", "ledger_account.currency"],
            name=op.f("fk_transfer_provider_id_credit_id_currency"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "debit_id", "currency"],
            ["ledger_account.provider_id", "ledger_account.id", "ledger_account.currency"],
            name=op.f("fk_transfer_provider_id_debit_id_currency"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_transfer")),
        sa.UniqueConstraint(
            "provider_id", "cause_kind", "cause_id", "leg", name=op.f("uq_transfer_provider_id_cause_kind_cause_id_leg")
        ),
    )
    op.create_index("ix_transfer_credit", "transfer", ["provider_id", "credit_id"], unique=False)
    op.create_index("ix_transfer_debit", "transfer", ["provider_id", "debit_id"], unique=False)
    op.create_table(
        "assignment",
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("span", postgresql.TSTZRANGE(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        postgresql.ExcludeConstraint(
            (sa.text("uuidrange(point_id, point_id, '[]')"), "&&"),
            (sa.column("span"), "&&"),
            using="gist",
            name="ex_assignment_point_span",
        ),
        sa.CheckConstraint(
            "NOT isempty(span) AND lower_inc(span) AND NOT upper_inc(span)", name=op.f("ck_assignment_span")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "item_id"],
            ["subscription_item.provider_id", "subscription_item.id"],
            name=op.f("fk_assignment_provider_id_item_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "point_id"],
            ["point.provider_id", "point.id"],
            name=op.f("fk_assignment_provider_id_point_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_assignment")),
    )
    op.create_index("ix_assignment_item", "assignment", ["provider_id", "item_id"], unique=False)
    op.create_index(
        "uq_assignment_external_id",
        "assignment",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "billed_span",
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("charge_code", sa.Text(), nullable=False),
        sa.Column("span", postgresql.TSTZRANGE(), nullable=False),
        sa.Column("status", sa.Text(), server_default="held", nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        postgresql.ExcludeConstraint(
            (sa.text("uuidrange(item_id, item_id, '[]')"), "&&"),
            (sa.column("span"), "&&"),
            where=sa.text("status = 'held'"),
            using="gist",
            name="ex_billed_span_item_span",
        ),
        sa.CheckConstraint("status IN ('held', 'released')", name=op.f("ck_billed_span_status")),
        sa.CheckConstraint(
            "NOT isempty(span) AND lower_inc(span) AND NOT upper_inc(span)", name=op.f("ck_billed_span_span")
        ),
        sa.CheckConstraint("NOT lower_inf(span) AND NOT upper_inf(span)", name=op.f("ck_billed_span_bounded")),
        sa.ForeignKeyConstraint(
            ["provider_id", "item_id", "charge_code"],
            ["subscription_item.provider_id", "subscription_item.id", "subscription_item.charge_code"],
            name=op.f("fk_billed_span_provider_id_item_id_charge_code"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_billed_span")),
    )
    op.create_index("ix_billed_span_item", "billed_span", ["provider_id", "item_id"], unique=False)
    op.create_table(
        "dunning_step_done",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("done_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "detail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "case_id"],
            ["dunning_case.provider_id", "dunning_case.id"],
            name=op.f("fk_dunning_step_done_provider_id_case_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "case_id", "step", name=op.f("pk_dunning_step_done")),
    )
    op.create_table(
        "payment",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("seller_id", sa.Uuid(), nullable=False),
        sa.Column("gateway_account_id", sa.Uuid(), nullable=True),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("allocated_amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("refunded_amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("credit_refunded_amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("gateway_reference", sa.Text(), nullable=True),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("allocated_amount + credit_refunded_amount <= amount", name=op.f("ck_payment_credit")),
        sa.CheckConstraint("allocated_amount BETWEEN 0 AND amount", name=op.f("ck_payment_allocated")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_amount")),
        sa.CheckConstraint(
            "credit_refunded_amount BETWEEN 0 AND refunded_amount", name=op.f("ck_payment_credit_refunded")
        ),
        sa.CheckConstraint("refunded_amount BETWEEN 0 AND amount", name=op.f("ck_payment_refunded")),
        sa.ForeignKeyConstraint(
            ["provider_id", "account_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_payment_provider_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "attempt_id"],
            ["payment_attempt.provider_id", "payment_attempt.id"],
            name=op.f("fk_payment_provider_id_attempt_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "gateway_account_id"],
            ["gateway_account.provider_id", "gateway_account.id"],
            name=op.f("fk_payment_provider_id_gateway_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "seller_id"],
            ["seller.provider_id", "seller.id"],
            name=op.f("fk_payment_provider_id_seller_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_payment")),
        sa.UniqueConstraint("provider_id", "attempt_id", name=op.f("uq_payment_provider_id_attempt_id")),
    )
    op.create_index("ix_payment_account", "payment", ["provider_id", "account_id", "id"], unique=False)
    op.create_index(
        "ix_payment_credit",
        "payment",
        ["provider_id", "account_id"],
        unique=False,
        postgresql_where=sa.text("allocated_amount + credit_refunded_amount < amount"),
    )
    op.create_index(
        "uq_payment_external_id",
        "payment",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_index(
        "uq_payment_reference",
        "payment",
        ["provider_id", "gateway_account_id", "gateway_reference"],
        unique=True,
        postgresql_where=sa.text("gateway_reference IS NOT NULL"),
    )
    op.create_table(
        "subscription_item_term",
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("from_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("price_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("ended", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_subscription_item_term_quantity")),
        sa.ForeignKeyConstraint(
            ["provider_id", "item_id"],
            ["subscription_item.provider_id", "subscription_item.id"],
            name=op.f("fk_subscription_item_term_provider_id_item_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "price_id"],
            ["price.provider_id", "price.id"],
            name=op.f("fk_subscription_item_term_provider_id_price_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_subscription_item_term")),
    )
    op.create_index(
        "ix_subscription_item_term_item", "subscription_item_term", ["provider_id", "item_id", "from_at"], unique=False
    )
    op.create_table(
        "suspension",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("dunning_case_id", sa.Uuid(), nullable=True),
        sa.Column("opened_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("closed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("closed_at IS NULL OR closed_at >= opened_at", name=op.f("ck_suspension_closed_at")),
        sa.ForeignKeyConstraint(
            ["provider_id", "dunning_case_id"],
            ["dunning_case.provider_id", "dunning_case.id"],
            name=op.f("fk_suspension_provider_id_dunning_case_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "subscription_id"],
            ["subscription.provider_id", "subscription.id"],
            name=op.f("fk_suspension_provider_id_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_suspension")),
    )
    op.create_index(
        "uq_suspension_open",
        "suspension",
        ["provider_id", "subscription_id", "reason", "dunning_case_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "allocation",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_allocation_amount")),
        sa.ForeignKeyConstraint(
            ["provider_id", "invoice_id"],
            ["invoice.provider_id", "invoice.id"],
            name=op.f("fk_allocation_provider_id_invoice_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "payment_id"],
            ["payment.provider_id", "payment.id"],
            name=op.f("fk_allocation_provider_id_payment_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_allocation")),
    )
    op.create_index("ix_allocation_invoice", "allocation", ["provider_id", "invoice_id"], unique=False)
    op.create_index("ix_allocation_payment", "allocation", ["provider_id", "payment_id"], unique=False)
    op.create_table(
        "charge",
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("charge_code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("claim_id", sa.Uuid(), nullable=True),
        sa.Column("adjusts_id", sa.Uuid(), nullable=True),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("beneficiary_id", sa.Uuid(), nullable=False),
        sa.Column("seller_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("price_id", sa.Uuid(), nullable=False),
        sa.Column("start_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("end_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("due_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("exact", sa.Numeric(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("known_until", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("invoice_line_id", sa.Uuid(), nullable=True),
        sa.Column("released_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "end_at > start_at OR (kind = 'one_off' AND end_at = start_at)", name=op.f("ck_charge_span")
        ),
        sa.CheckConstraint("kind IN ('credit', 'adjustment') OR claim_id IS NOT NULL", name=op.f("ck_charge_claim")),
        sa.CheckConstraint(
            "kind IN ('recurring', 'one_off', 'usage', 'credit', 'adjustment')", name=op.f("ck_charge_kind")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "adjusts_id"],
            ["charge.provider_id", "charge.id"],
            name=op.f("fk_charge_provider_id_adjusts_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "beneficiary_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_charge_provider_id_beneficiary_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "claim_id"],
            ["billed_span.provider_id", "billed_span.id"],
            name=op.f("fk_charge_provider_id_claim_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "invoice_line_id"],
            ["invoice_line.provider_id", "invoice_line.id"],
            name=op.f("fk_charge_provider_id_invoice_line_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "item_id", "charge_code"],
            ["subscription_item.provider_id", "subscription_item.id", "subscription_item.charge_code"],
            name=op.f("fk_charge_provider_id_item_id_charge_code"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "payer_id"],
            ["account.provider_id", "account.id"],
            name=op.f("fk_charge_provider_id_payer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "seller_id"],
            ["seller.provider_id", "seller.id"],
            name=op.f("fk_charge_provider_id_seller_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_charge")),
    )
    op.create_index("ix_charge_claim", "charge", ["provider_id", "claim_id"], unique=False)
    op.create_index("ix_charge_item", "charge", ["provider_id", "item_id"], unique=False)
    op.create_index(
        "ix_charge_line",
        "charge",
        ["provider_id", "invoice_line_id"],
        unique=False,
        postgresql_where=sa.text("invoice_line_id IS NOT NULL"),
    )
    op.create_index(
        "ix_charge_waiting",
        "charge",
        ["provider_id", "payer_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("invoice_line_id IS NULL"),
    )
    op.create_table(
        "refund",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("credit_amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="created", nullable=False),
        sa.Column("gateway_reference", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("lease_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("status IN ('created', 'succeeded', 'failed', 'unknown')", name=op.f("ck_refund_status")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refund_amount")),
        sa.CheckConstraint("credit_amount BETWEEN 0 AND amount", name=op.f("ck_refund_credit_amount")),
        sa.ForeignKeyConstraint(
            ["provider_id", "payment_id"],
            ["payment.provider_id", "payment.id"],
            name=op.f("fk_refund_provider_id_payment_id"),
        ),
        sa.PrimaryKeyConstraint("provider_id", "id", name=op.f("pk_refund")),
    )
    op.create_index(
        "ix_refund_open", "refund", ["next_at"], unique=False, postgresql_where=sa.text("next_at IS NOT NULL")
    )
    op.create_index("ix_refund_payment", "refund", ["provider_id", "payment_id"], unique=False)
    op.create_index(
        "uq_refund_external_id",
        "refund",
        ["provider_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    # ### end Alembic commands ###


def downgrade() -> None:
    as_owner()
    drop()
    as_login()


def drop() -> None:
    # ### commands auto generated by Alembic - please adjust! ###
    op.drop_index("uq_refund_external_id", table_name="refund", postgresql_where=sa.text("external_id IS NOT NULL"))
    op.drop_index("ix_refund_payment", table_name="refund")
    op.drop_index("ix_refund_open", table_name="refund", postgresql_where=sa.text("next_at IS NOT NULL"))
    op.drop_table("refund")
    op.drop_index("ix_charge_waiting", table_name="charge", postgresql_where=sa.text("invoice_line_id IS NULL"))
    op.drop_index("ix_charge_line", table_name="charge", postgresql_where=sa.text("invoice_line_id IS NOT NULL"))
    op.drop_index("ix_charge_item", table_name="charge")
    op.drop_index("ix_charge_claim", table_name="charge")
    op.drop_table("charge")
    op.drop_index("ix_allocation_payment", table_name="allocation")
    op.drop_index("ix_allocation_invoice", table_name="allocation")
    op.drop_table("allocation")
    op.drop_index(
        "uq_suspension_open",
        table_name="suspension",
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.drop_table("suspension")
    op.drop_index("ix_subscription_item_term_item", table_name="subscription_item_term")
    op.drop_table("subscription_item_term")
    op.drop_index(
        "uq_payment_reference", table_name="payment", postgresql_where=sa.text("gateway_reference IS NOT NULL")
    )
    op.drop_index("uq_payment_external_id", table_name="payment", postgresql_where=sa.text("external_id IS NOT NULL"))
    op.drop_index(
        "ix_payment_credit",
        table_name="payment",
        postgresql_where=sa.text("allocated_amount + credit_refunded_amount < amount"),
    )
    op.drop_index("ix_payment_account", table_name="payment")
    op.drop_table("payment")
    op.drop_table("dunning_step_done")
    op.drop_index("ix_billed_span_item", table_name="billed_span")
    op.drop_table("billed_span")
    op.drop_index(
        "uq_assignment_external_id", table_name="assignment", postgresql_where=sa.text("external_id IS NOT NULL")
    )
    op.drop_index("ix_assignment_item", table_name="assignment")
    op.drop_table("assignment")
    op.drop_index("ix_transfer_debit", table_name="transfer")
    op.drop_index("ix_transfer_credit", table_name="transfer")
    op.drop_table("transfer")
    op.drop_table("subscription_item")
    op.drop_index("ix_scheduled_change_subscription", table_name="scheduled_change")
    op.drop_index(
        "ix_scheduled_change_due", table_name="scheduled_change", postgresql_where=sa.text("status = 'scheduled'")
    )
    op.drop_table("scheduled_change")
    op.drop_index(
        "uq_provisioning_request_open", table_name="provisioning_request", postgresql_where=sa.text("status = 'open'")
    )
    op.drop_index(
        "ix_provisioning_request_unanswered",
        table_name="provisioning_request",
        postgresql_where=sa.text("status = 'open'"),
    )
    op.drop_index("ix_provisioning_request_subscription", table_name="provisioning_request")
    op.drop_table("provisioning_request")
    op.drop_index(
        "uq_payment_attempt_running",
        table_name="payment_attempt",
        postgresql_where=sa.text("status IN ('created', 'submitted', 'requires_action', 'unknown')"),
    )
    op.drop_index("uq_payment_attempt_intent", table_name="payment_attempt")
    op.drop_index(
        "ix_payment_attempt_open", table_name="payment_attempt", postgresql_where=sa.text("next_at IS NOT NULL")
    )
    op.drop_index("ix_payment_attempt_invoice", table_name="payment_attempt")
    op.drop_table("payment_attempt")
    op.drop_table("oauth_token")
    op.drop_table("invoice_line")
    op.drop_table("epoch")
    op.drop_index("ix_dunning_case_due", table_name="dunning_case", postgresql_where=sa.text("status = 'open'"))
    op.drop_table("dunning_case")
    op.drop_index(
        "uq_subscription_external_id", table_name="subscription", postgresql_where=sa.text("external_id IS NOT NULL")
    )
    op.drop_index(
        "ix_subscription_pending",
        table_name="subscription",
        postgresql_where=sa.text("status = 'pending' AND start_at IS NOT NULL"),
    )
    op.drop_index("ix_subscription_account", table_name="subscription")
    op.drop_table("subscription")
    op.drop_table("register")
    op.drop_table("price")
    op.drop_table("portal_session")
    op.drop_table("portal_link")
    op.drop_index(
        "uq_payment_method_external_id",
        table_name="payment_method",
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.drop_index("uq_payment_method_default", table_name="payment_method", postgresql_where=sa.text("is_default"))
    op.drop_table("payment_method")
    op.drop_index(
        "uq_oauth_client_external_id", table_name="oauth_client", postgresql_where=sa.text("external_id IS NOT NULL")
    )
    op.drop_table("oauth_client")
    op.drop_index("uq_membership_user", table_name="membership", postgresql_nulls_not_distinct=True)
    op.drop_table("membership")
    op.drop_index("uq_ledger_account_name", table_name="ledger_account", postgresql_nulls_not_distinct=True)
    op.drop_table("ledger_account")
    op.drop_index("uq_invoice_external_id", table_name="invoice", postgresql_where=sa.text("external_id IS NOT NULL"))
    op.drop_index(
        "ix_invoice_without_pdf",
        table_name="invoice",
        postgresql_where=sa.text("pdf_blob IS NULL AND finalized_at IS NOT NULL"),
    )
    op.drop_index("ix_invoice_run", table_name="invoice")
    op.drop_index("ix_invoice_due", table_name="invoice", postgresql_where=sa.text("status = 'open'"))
    op.drop_index("ix_invoice_draft", table_name="invoice", postgresql_where=sa.text("status = 'draft'"))
    op.drop_index("ix_invoice_account", table_name="invoice")
    op.drop_table("invoice")
    op.drop_index(
        "ix_inbound_event_pending", table_name="inbound_event", postgresql_where=sa.text("status = 'pending'")
    )
    op.drop_table("inbound_event")
    op.drop_table("gateway_customer")
    op.drop_index("uq_device_external_id", table_name="device", postgresql_where=sa.text("external_id IS NOT NULL"))
    op.drop_index("ix_device_point", table_name="device")
    op.drop_table("device")
    op.drop_index(
        "ix_billing_run_payer_open", table_name="billing_run_payer", postgresql_where=sa.text("status = 'pending'")
    )
    op.drop_table("billing_run_payer")
    op.drop_index("uq_api_key_external_id", table_name="api_key", postgresql_where=sa.text("external_id IS NOT NULL"))
    op.drop_table("api_key")
    op.drop_index("uq_anomaly_identity", table_name="anomaly")
    op.drop_table("anomaly")
    op.drop_index("uq_point_external_id", table_name="point", postgresql_where=sa.text("external_id IS NOT NULL"))
    op.drop_index("ix_point_path", table_name="point")
    op.drop_table("point")
    op.drop_table("plan_version")
    op.drop_table("number_series")
    op.drop_index(
        "uq_gateway_account_external_id",
        table_name="gateway_account",
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.drop_index("uq_gateway_account_default", table_name="gateway_account", postgresql_where=sa.text("is_default"))
    op.drop_table("gateway_account")
    op.drop_index("ix_delivery_order", table_name="delivery")
    op.drop_index(
        "ix_delivery_due", table_name="delivery", postgresql_where=sa.text("status IN ('pending', 'retrying')")
    )
    op.drop_table("delivery")
    op.drop_index("uq_agent_external_id", table_name="agent", postgresql_where=sa.text("external_id IS NOT NULL"))
    op.drop_index("uq_agent_enrolment_hash", table_name="agent", postgresql_where=sa.text("enrolment_hash IS NOT NULL"))
    op.drop_table("agent")
    op.drop_index("uq_account_external_id", table_name="account", postgresql_where=sa.text("external_id IS NOT NULL"))
    op.drop_index("ix_account_payer", table_name="account")
    op.drop_index("ix_account_path", table_name="account", postgresql_using="gin")
    op.drop_index("ix_account_parent", table_name="account")
    op.drop_index("ix_account_next_bill_at", table_name="account", postgresql_where=sa.text("next_bill_at IS NOT NULL"))
    op.drop_table("account")
    op.drop_index(
        "uq_webhook_endpoint_external_id",
        table_name="webhook_endpoint",
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.drop_table("webhook_endpoint")
    op.drop_table("test_clock")
    op.drop_index("uq_site_external_id", table_name="site", postgresql_where=sa.text("external_id IS NOT NULL"))
    op.drop_table("site")
    op.drop_index("uq_seller_external_id", table_name="seller", postgresql_where=sa.text("external_id IS NOT NULL"))
    op.drop_index("uq_seller_default", table_name="seller", postgresql_where=sa.text("is_default"))
    op.drop_table("seller")
    op.drop_index("uq_reading_quarantine_identity", table_name="reading_quarantine")
    op.drop_table("reading_quarantine")
    op.drop_index("uq_product_external_id", table_name="product", postgresql_where=sa.text("external_id IS NOT NULL"))
    op.drop_table("product")
    op.drop_index("uq_plan_external_id", table_name="plan", postgresql_where=sa.text("external_id IS NOT NULL"))
    op.drop_table("plan")
    op.drop_index(
        "ix_outbox_event_unreacted", table_name="outbox_event", postgresql_where=sa.text("reacted_at IS NULL")
    )
    op.drop_index(
        "ix_outbox_event_unfanned", table_name="outbox_event", postgresql_where=sa.text("fanned_out_at IS NULL")
    )
    op.drop_index("ix_outbox_event_type", table_name="outbox_event")
    op.drop_table("outbox_event")
    op.drop_index("uq_meter_external_id", table_name="meter", postgresql_where=sa.text("external_id IS NOT NULL"))
    op.drop_table("meter")
    op.drop_index("ix_mail_pending", table_name="mail", postgresql_where=sa.text("sent_at IS NULL AND NOT sandbox"))
    op.drop_table("mail")
    op.drop_index("ix_idempotency_record_expires_at", table_name="idempotency_record")
    op.drop_table("idempotency_record")
    op.drop_table("blob")
    op.drop_index(
        "uq_billing_run_external_id", table_name="billing_run", postgresql_where=sa.text("external_id IS NOT NULL")
    )
    op.drop_index("ix_billing_run_running", table_name="billing_run", postgresql_where=sa.text("status = 'running'"))
    op.drop_table("billing_run")
    op.drop_index("ix_audit_object", table_name="audit")
    op.drop_table("audit")
    op.drop_table("usage_event_identity")
    op.drop_table("usage_event")
    op.drop_table("register_hour")
    op.drop_table("reading")
    op.drop_table("provider")
    op.drop_index("ix_interval_doubtful", table_name="interval", postgresql_where=sa.text("quality <> 'measured'"))
    op.drop_table("interval")
    op.drop_table("event_hour")
    op.drop_index("uq_app_user_email", table_name="app_user")
    op.drop_table("app_user")
    # ### end Alembic commands ###
