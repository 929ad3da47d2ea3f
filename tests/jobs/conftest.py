"""A sandbox whose clock passes things that fall due."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.builders.clock import World


@pytest.fixture
def world(provider_id: UUID) -> World:
    return World(provider_id)
