"""Every setting, in one place, read from the environment once. The table in docs/settings.md is made from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.errors import Misconfigured

PREFIX = "BUSBAR_"
CHECKOUT = Path(__file__).resolve().parent.parent


def setting(default: Any, meaning: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"meaning": meaning, "secret": secret})


@dataclass(frozen=True)
class Settings:
    """One member per variable: `database_url` is `BUSBAR_DATABASE_URL`."""

    database_url: str | None = setting(
        None, "PostgreSQL 15 or newer, as a postgresql:// URL. Unset: an embedded server.", secret=True
    )
    queue_url: str | None = setting(None, "Redis or Valkey, as a redis:// URL. Unset: an embedded server.", secret=True)
    data_dir: Path = setting(  # noqa: RUF009  (field() by another name)
        Path("var"), "Where embedded servers and generated secrets are kept."
    )
    secret_keys: str | None = setting(
        None,
        "Keys for other people's secrets: id:key[,id:key…], key = 32 bytes in base64. The first writes, all read. "
        "Required with BUSBAR_DATABASE_URL; else made under BUSBAR_DATA_DIR.",
        secret=True,
    )
    public_url: str | None = setting(
        None, "The address under which customers and gateways reach Busbar. Unset: the address it serves on."
    )
    sandbox_gateway_url: str | None = setting(
        None, "The card gateway of sandboxes. Unset: an embedded one, where the database is embedded too."
    )
    private_webhooks: bool | None = setting(
        None, "Whether webhooks may go to private addresses. Unset: only with the embedded database."
    )
    body_limit_bytes: int = setting(5 * 2**20, "The largest request body, before decompression.")
    inflated_limit_bytes: int = setting(50 * 2**20, "The largest usage body, after decompression.")
    requests_per_minute: int = setting(60_000, "How many requests one credential may make in a minute.")
    db_pool: int = setting(8, "Database connections per process.")
    log_level: str = setting("info", "debug, info, warning or error.")
    log_format: str = setting("json", "json, or text for people.")
    smtp_url: str | None = setting(
        None, "Where mail of live providers goes, smtp://user:password@host:port. Unset: it waits.", secret=True
    )
    mail_from: str = setting("billing@localhost", "The sender of mail.")

    @property
    def embedded_database(self) -> bool:
        return self.database_url is None

    @property
    def webhooks_may_be_private(self) -> bool:
        return self.embedded_database if self.private_webhooks is None else self.private_webhooks


def load(environ: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises:
        Misconfigured: a variable that begins with BUSBAR_ and means nothing, or a value that cannot be read.
    """
    known = {PREFIX + f.name.upper(): f for f in fields(Settings)}
    # Beside the program, not wherever it was called from: from `/` it would be the machine's own /var.
    values: dict[str, Any] = {"data_dir": CHECKOUT / "var"}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or not text:
            continue
        if name not in known:
            raise Misconfigured(f"{name} is not a setting of Busbar. Known: {', '.join(sorted(known))}.")
        values[known[name].name] = _read(name, known[name].type, text)
    settings = Settings(**values)
    _check(settings)
    return settings


def _read(name: str, kind: Any, text: str) -> Any:
    if "bool" in kind:
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise Misconfigured(f"{name} is yes or no, not {text!r}.")
        return text.lower() in ("true", "1", "yes")
    if kind == "int":
        if not text.isdecimal() or int(text) < 1:
            raise Misconfigured(f"{name} is a number above zero, not {text!r}.")
        return int(text)
    return Path(text) if kind == "Path" else text


def _check(settings: Settings) -> None:
    for name, schemes in (("database_url", ("postgresql", "postgres")), ("queue_url", ("redis", "rediss", "unix"))):
        url = getattr(settings, name)
        if url and urlsplit(url).scheme not in schemes:
            raise Misconfigured(f"{PREFIX}{name.upper()} begins with {schemes[0]}://.")
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise Misconfigured("BUSBAR_LOG_LEVEL is debug, info, warning or error.")
    if settings.log_format not in ("json", "text"):
        raise Misconfigured("BUSBAR_LOG_FORMAT is json or text.")


@cache
def current() -> Settings:
    """The settings of this process."""
    return load(os.environ)
