"""The aggregations as a page: members and worked examples, straight from the aggregations' files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from billing.metering.aggregations.protocol import AggregationKind, Example
from billing.metering.meters import kinds

HEADING = """# Aggregations

A meter says how usage becomes the quantity that is priced: `aggregation` names the way, and its own members stand
beside it, in `POST /v1/meters` and in the `meter` of an estimate:

```json
{"code": "transit", "name": "IP transit", "unit": "octets", "aggregation": "percentile", "percentile": "95",
 "sample_minutes": 5, "direction": "larger_of_percentiles"}
```

Each aggregation is one file in `billing/metering/aggregations/`. Its examples are run as tests, and this page shows
them: it is written by `billing.metering.page.page()`, and a test compares the two.

- `sum`, `percentile` and `demand` count events and the registers of assigned points; the others count events.
- `latest` and `weighted_sum` begin with the last event before the span, however long ago it was.
- Of part of a span, `sum` and `count` are what was used in it. The others measure a level or a peak (`unique_count`
  counts): the amount of a level is prorated for a part of a span, as that of a recurring price is.
- Under bands of time the others have one quantity for each band: a peak by day and a peak by night. That of
  `weighted_sum` counts in a band for as long as it lasts there, so that bands of one price cost what one price does.
- Samples and windows lie on the hour in the price's `time_zone`, by default that of the site: a day has 92, 96 or 100
  quarters of an hour. One that is cut short by an end of the span does not count.
- What was not measured is never taken for zero. A gap in the readings of a counter that went on is filled evenly; where
  the counter changed, or nothing was read, the slot is no sample and the window no peak, and the line says so by its
  flags: `low_coverage` (samples in fewer than 95 % of the slots), `estimated_excluded`, `missing_excluded`.
- Of a register the direction is told by a word in its name: `in`, `rx` or `ingress`, `out`, `tx` or `egress`
  (`if_in_octets`, `ifHCOutOctets`).
- What does not come out even is rounded once, to twelve places, half away from zero.
"""


def page() -> str:
    """The whole of `docs/aggregations.md`."""
    return "\n".join([HEADING, *(_section(kind) for kind in kinds().values())])


def _section(kind: AggregationKind) -> str:
    members = [f"- `{name}`{_needed(name, kind)}: {_said(schema)}" for name, schema in kind.members.items()]
    examples = [f"| {e.why} | {_members(e.members)} | {_comes_to(e)} |" for e in kind.examples]
    refusals = [f"| {r.why} | {_members(r.members)} | `{r.code}` at `{r.pointer}` |" for r in kind.refusals]
    refused = ["\n| refused | members | answer |\n| --- | --- | --- |", *refusals] if refusals else []
    return "\n".join(
        [
            f"## `{kind.name}`\n\n{kind.summary}\n",
            *members,
            "\n| example | members | quantity |\n| --- | --- | --- |",
            *examples,
            *refused,
            "",
        ]
    )


def _needed(name: str, kind: AggregationKind) -> str:
    return "" if name in kind.required else " (optional)"


def _said(schema: Mapping[str, Any]) -> str:
    default = f" By default `{schema['default']}`." if "default" in schema else ""
    return f"{schema['description']}{default}"


def _members(members: Mapping[str, Any]) -> str:
    return f"`{json.dumps(members)}`" if members else ""


def _comes_to(example: Example) -> str:
    if example.refused is not None:
        return f"refused: `{example.refused}`"
    flags = "".join(f", `{flag}`" for flag in example.flags)
    return f"{example.quantity}{flags}"
