"""Shapes of requests and answers; no rules. See `api` for how to write one."""

from __future__ import annotations

from api.schemas import fields
from api.schemas.base import Schema
from api.schemas.common import ExternalIdQuery, ListQuery, Problem, Resource, page_of

__all__ = ["ExternalIdQuery", "ListQuery", "Problem", "Resource", "Schema", "fields", "page_of"]
