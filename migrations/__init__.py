"""Alembic: the only way the schema changes. Forward and back; rules of tenancy in `rules`."""
