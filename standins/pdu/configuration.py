"""The stand-in's configuration file (JSON or TOML) as values.

```toml
community = "public"

[[pdus]]
name = "pdu-a"
serial = "ZA1842006633"
since = "2026-01-01T00:00:00Z"
register_kwh = "3400"
port = 0                # 0 picks a free one
outlets = 0
load = { base_w = 1140, swing_percent = 40, weekend_percent = 50, noise_percent = 5, seed = 7 }

[[pdus.events]]
at = "2026-01-16T09:00:00Z"
kind = "exchange"       # or "reset", "reboot"
serial = "ZB2044001122"
register_kwh = "12"
outage_s = 2400
```
"""

from __future__ import annotations

import json
import tomllib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.decimals import EXACT, parse_decimal
from core.errors import Misconfigured, Refused
from core.period import parse_instant, rfc3339
from standins.pdu.device import Happening, Kind, Pdu
from standins.pdu.load import WS_PER_KWH, Load


def load_file(path: Path) -> list[Pdu]:
    """Read a configuration file.

    Raises:
        Misconfigured: the file is missing, is neither JSON nor TOML, or a member is missing, unknown or wrong.
    """
    try:
        content = path.read_text()
        document = json.loads(content) if path.suffix == ".json" else tomllib.loads(content)
        return [parse_pdu(item, document.get("community", "public")) for item in document["pdus"]]
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}") from error
    except KeyError as error:
        raise Misconfigured(f"{path}: {error.args[0]} is missing") from error
    except (ValueError, TypeError, AttributeError, Refused) as error:
        raise Misconfigured(f"{path}: {error}") from error


def parse_pdu(item: dict[str, Any], community: str = "public") -> Pdu:
    """One entry of `pdus`.

    Raises:
        KeyError, ValueError, TypeError, Refused: a member is missing, unknown or wrong.
    """
    rest = dict(item)
    pdu = Pdu(
        name=rest.pop("name"),
        serial=rest.pop("serial"),
        since=parse_instant(rest.pop("since")),
        register_ws=_ws(rest.pop("register_kwh", "0")),
        load=Load(**rest.pop("load", {})),
        community=rest.pop("community", community),
        port=int(rest.pop("port", 0)),
        model=rest.pop("model", Pdu.model),
        firmware=rest.pop("firmware", Pdu.firmware),
        outlets=int(rest.pop("outlets", 0)),
        happenings=tuple(sorted(map(_happening, rest.pop("events", ())), key=lambda h: h.at)),
    )
    if rest:
        raise ValueError(f"{pdu.name} has unknown members: {', '.join(rest)}")
    back = pdu.since
    for happening in pdu.happenings:
        if happening.at < back:
            raise ValueError(f"{pdu.name}: nothing can happen at {rfc3339(happening.at)}, while it is out")
        back = happening.at + timedelta(seconds=happening.outage_s)
    return pdu


def _happening(item: dict[str, Any]) -> Happening:
    register = item.get("register_kwh")
    return Happening(
        at=parse_instant(item["at"]),
        kind=Kind(item["kind"]),
        serial=item.get("serial"),
        register_ws=None if register is None else _ws(register),
        outage_s=int(item.get("outage_s", 0)),
    )


def _ws(kwh: str) -> int:
    return int(EXACT.multiply(parse_decimal(kwh), Decimal(WS_PER_KWH)))
