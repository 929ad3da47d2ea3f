"""The servers that start by themselves when none is configured: PostgreSQL, a queue, the sandbox card gateway.

Owns: finding, starting, finding again and stopping them, with their files under one data directory
(`BUSBAR_DATA_DIR`, by default `var/`). Each outlives the process that started it, survives `kill -9` of that process
and of itself, and is found by the next process instead of started twice.
Does not own: what is stored in them, migrations, the decision whether an outside server is used instead.

Each module has `ensure(data_dir) -> url` (idempotent, safe to call from many processes at once), `running(data_dir)`
and `stop(data_dir)`.
"""

from __future__ import annotations

from pathlib import Path

SERVERS = ("gateway", "valkey", "postgres")


def stop_all(data_dir: Path) -> list[str]:
    """Stop every server of this data directory; returns the names of those that were running."""
    from embedded import gateway, postgres, valkey

    stops = {"gateway": gateway.stop, "valkey": valkey.stop, "postgres": postgres.stop}
    return [name for name in SERVERS if stops[name](data_dir)]
