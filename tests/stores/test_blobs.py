"""What every blob backend does: the same tests for each."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

import pytest

from core.registry import plugins
from services.context import Context
from stores.blobs.port import BlobStore
from tests.conftest import make_provider

BACKENDS = list(plugins("stores.blobs").values())


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def blobs(request: pytest.FixtureRequest) -> BlobStore:
    return request.param


def test_a_file_comes_back_as_it_was_under_its_sha256(blobs: BlobStore, ctx: Context) -> None:
    data = bytes(range(256)) * 100
    key = blobs.put(ctx.session, ctx.provider.id, data, "application/pdf")
    stored = blobs.get(ctx.session, ctx.provider.id, key)
    assert key == hashlib.sha256(data).digest()
    assert stored is not None
    assert (stored.data, stored.content_type) == (data, "application/pdf")


def test_the_same_file_twice_is_kept_once(blobs: BlobStore, ctx: Context) -> None:
    first = blobs.put(ctx.session, ctx.provider.id, b"invoice", "application/pdf")
    assert blobs.put(ctx.session, ctx.provider.id, b"invoice", "application/pdf") == first


def test_an_unknown_key_finds_nothing(blobs: BlobStore, ctx: Context) -> None:
    assert blobs.get(ctx.session, ctx.provider.id, bytes(32)) is None


def test_a_file_of_another_provider_is_not_there(blobs: BlobStore, ctx: Context, house: Any) -> None:
    key = blobs.put(ctx.session, ctx.provider.id, b"private", "text/plain")
    other: UUID = make_provider(house)
    assert blobs.get(ctx.session, other, key) is None
