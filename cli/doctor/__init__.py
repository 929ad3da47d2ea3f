"""`busbar doctor`: looks at everything Busbar stands on, changes nothing, and says what to do about each finding."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict

from cli.doctor.finding import Finding

MARKS = {"good": "ok", "warning": "!", "bad": "BAD"}


def run(args: argparse.Namespace) -> int:
    """Print the findings; 1 when anything is bad."""
    from cli.doctor import database, rest
    from runtime.settings import current

    settings = current()
    findings: list[Finding] = [*rest.versions(), *rest.secrets(settings), *database.look(settings)]
    findings += [*rest.queue(settings), *rest.gateway(settings), *rest.server(settings)]
    print(json.dumps([asdict(finding) for finding in findings], indent=2) if args.json else _table(findings))
    return 1 if any(finding.state == "bad" for finding in findings) else 0


def _table(findings: Iterable[Finding]) -> str:
    lines = []
    for finding in findings:
        lines.append(f"{MARKS[finding.state]:>3}  {finding.subject:<12} {finding.detail}")
        if finding.advice:
            lines.append(f"{'':>3}  {'':<12} -> {finding.advice}")
    return "\n".join(lines)
