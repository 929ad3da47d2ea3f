"""`busbar provider create` and `busbar apikey create`: the way in for a fresh installation."""

from __future__ import annotations

import argparse
import json

from cli.worker import prepare
from core.errors import Invalid, Misconfigured
from core.ids import decode, encode, new_id
from runtime.house import House, house
from runtime.settings import current
from runtime.unit import founding, unit
from services import credentials, gateway_accounts, providers


def create(args: argparse.Namespace) -> int:
    """Make a provider, ready to be used: default seller, gateway accounts, clock, first key."""
    _check(args)
    prepare(current())
    provider_id, key = make(
        house(),
        name=args.name,
        sandbox=args.sandbox,
        country=args.country,
        currency=args.currency,
        time_zone=args.time_zone,
    )
    if args.json:
        print(json.dumps({"provider_id": provider_id, "api_key": key}))
        return 0
    print(f"Provider {args.name}: {provider_id}\nIts API key, shown this once: {key}")
    return 0


def make(home: House, *, name: str, sandbox: bool, country: str, currency: str, time_zone: str) -> tuple[str, str]:
    """Make a provider in one transaction; returns its id, `prov_…`, and its first API key."""
    provider_id = new_id()
    with founding(provider_id, actor="cli", within=home) as session:
        founded = providers.found(
            session,
            provider_id,
            home.kit,
            name=name,
            sandbox=sandbox,
            country=country,
            currency=currency,
            time_zone=time_zone,
        )
        gateway_accounts.create_first_accounts(founded.ctx)
    return encode("provider", provider_id), founded.api_key


def create_key(args: argparse.Namespace) -> int:
    """Make an API key of a provider."""
    try:
        provider_id = decode("provider", args.provider)
    except Invalid as error:
        raise Misconfigured(f"--provider: {error.detail}") from None
    scopes = args.scope or list(credentials.SCOPES)
    if unknown := sorted(set(scopes) - set(credentials.SCOPES)):
        raise Misconfigured(f"There is no scope {', '.join(unknown)}. Known: {', '.join(credentials.SCOPES)}.")
    prepare(current())
    with unit(provider_id, actor="cli") as ctx:
        row, key = credentials.create_key(ctx, name=args.name, scopes=scopes)
        key_id = encode("api_key", row.id)
    print(json.dumps({"id": key_id, "api_key": key}) if args.json else f"{key_id}, shown this once: {key}")
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse what the API would refuse, before anything is started."""
    from zoneinfo import available_timezones

    if not args.name.strip():
        raise Misconfigured("A provider has a name.")
    if len(args.country) != 2 or not args.country.isalpha() or not args.country.isupper():
        raise Misconfigured(f"--country is two capital letters of ISO 3166, not {args.country!r}.")
    if len(args.currency) != 3 or not args.currency.isalpha() or not args.currency.isupper():
        raise Misconfigured(f"--currency is three capital letters of ISO 4217, not {args.currency!r}.")
    if args.time_zone not in available_timezones():
        raise Misconfigured(f"--time-zone is an IANA name such as Europe/Amsterdam, not {args.time_zone!r}.")
