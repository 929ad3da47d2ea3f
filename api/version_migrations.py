"""Moves of subscriptions to another version of their plan, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import ListQuery, page_of
from api.schemas.version_migrations import MigrationResult, MigrationResultQuery, VersionMigration, VersionMigrationNew
from services import version_migration_results, version_migrations
from services.version_migrations import MigrationView, Move

blp = blueprint("version_migrations", "Moves of subscriptions to another version of their plan, in bulk.")
EXAMPLE = {"from_versions": [1], "effective": {"at": "2026-07-01T00:00:00Z"}, "preview": True}


def _shown(found: MigrationView) -> dict[str, Any]:
    row = found.row
    return {
        **{name: getattr(row, name) for name in ("id", "external_id", "meta", "created_at", "plan_id")},
        **{name: getattr(row, name) for name in ("plan_version_id", "filter", "status", "finished_at")},
        "version": found.version,
        "effective": row.effective if "at" in row.effective else row.effective["on"],
        "preview": row.preview_only,
        "counts": found.counts,
        "totals": found.totals,
    }


@blp.route("/v1/plans/<id(plan):plan_id>/versions/<string:version>/migrations")
class PlanVersionMigrations(MethodView):
    @require("catalog:read", of_provider=True)
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, page_of(VersionMigration))
    def get(self, query: dict[str, Any], plan_id: UUID, version: str) -> dict[str, Any]:
        """List the moves to a version, newest first. The version is named by its number or its id."""
        return page(
            query, lambda window: version_migrations.list_migrations(context(), plan_id, version, window).map(_shown)
        )

    @require("catalog:write")
    @refuses(409, external_id_taken="Another move has this external id.")
    @refuses(
        422,
        version_unknown="The plan has no such version.",
        version_is_target="The version that is moved to.",
        version_not_offered="The version is not offered yet by then.",
        account_unknown="There is no such account.",
        effective_unknown="Neither now, nor period_end, nor renewal, nor an instant.",
        effective_in_past="A move takes effect now or later.",
        effective_out_of_range="More than ten years on.",
    )
    @blp.arguments(VersionMigrationNew, example=EXAMPLE)
    @blp.response(201, VersionMigration)
    def post(self, body: dict[str, Any], plan_id: UUID, version: str) -> dict[str, Any]:
        """Move subscriptions to this version, each by a change of its own; with `preview`, see who would pay what.

        The version is named by its number or its id. A few are worked out at once, many by the workers.
        """
        return _shown(version_migrations.create(context(), plan_id, version, Move(**body)))


@blp.route("/v1/version-migrations/<id(version_migration):migration_id>")
class OneVersionMigration(MethodView):
    @require("catalog:read", of_provider=True)
    @blp.response(200, VersionMigration)
    def get(self, migration_id: UUID) -> dict[str, Any]:
        """One move."""
        return _shown(version_migrations.get(context(), migration_id))


@blp.route("/v1/version-migrations/<id(version_migration):migration_id>/subscriptions")
class VersionMigrationSubscriptions(MethodView):
    @require("catalog:read", of_provider=True)
    @blp.arguments(MigrationResultQuery, location="query")
    @blp.response(200, page_of(MigrationResult))
    def get(self, query: dict[str, Any], migration_id: UUID) -> dict[str, Any]:
        """List the subscriptions of a move by id: what each pays before and after, and what became of its change."""
        filters = {name: query.get(name) for name in ("state", "pays")}
        return page(query, lambda window: version_migration_results.results(context(), migration_id, window, **filters))


@blp.route("/v1/version-migrations/<id(version_migration):migration_id>/start")
class VersionMigrationStart(MethodView):
    @require("catalog:write")
    @refuses(
        409,
        migration_previewing="Who pays what is still being worked out.",
        migration_withdrawn="It was withdrawn.",
    )
    @blp.response(200, VersionMigration)
    def post(self, migration_id: UUID) -> dict[str, Any]:
        """Go through with a move that was previewed."""
        return _shown(version_migrations.start(context(), migration_id))


@blp.route("/v1/version-migrations/<id(version_migration):migration_id>/withdraw")
class VersionMigrationWithdraw(MethodView):
    @require("catalog:write")
    @blp.response(200, VersionMigration)
    def post(self, migration_id: UUID) -> dict[str, Any]:
        """Take a move back: changes that are not done yet are withdrawn, the others stay."""
        return _shown(version_migrations.withdraw(context(), migration_id))
