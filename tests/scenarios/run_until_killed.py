"""A worker that kills itself at a chosen step of a billing run: started as a program by the test beside it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

from jobs import billing
from services import invoicing_charges, invoicing_documents, invoicing_finalize, ledger, runs

# Where the worker may die: module, function, before or after it, and at which call.
STEPS: dict[str, tuple[Any, str, str, int]] = {
    "before the first chunk is taken": (runs, "claim", "before", 1),
    "when a chunk was taken": (runs, "bill", "before", 1),
    "before spans are claimed": (invoicing_charges, "claim", "before", 1),
    "between claims and drafts": (invoicing_charges, "claim", "after", 1),
    "when drafts were made and not committed": (invoicing_documents, "draft", "after", 1),
    "in the second chunk": (invoicing_documents, "draft", "after", 2),
    "before the first number": (runs, "finish", "before", 1),
    "between number and books": (ledger, "post_all", "before", 1),
    "between books and events": (ledger, "post_all", "after", 1),
    "when events were written and not committed": (invoicing_finalize, "finalize_all", "after", 1),
    "in the second set of numbers": (ledger, "post_all", "after", 2),
    "between billing and early numbers": (runs, "finish_early", "before", 2),
    "when early numbers were given and not committed": (runs, "finish_early", "after", 2),
    "before the run is closed": (runs, "finish", "before", 2),
}


def deadly(module: Any, name: str, when: str, call: int) -> None:
    """Let the process die at the given call of a function."""
    function: Callable[..., Any] = getattr(module, name)
    calls = 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **kwargs)
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, name, wrapped)


def main(provider_id: str, run_id: str, step: str) -> None:
    runs.CHUNK, runs.CHUNK_FINAL = 3, 3
    deadly(*STEPS[step])
    billing.work_runs(UUID(provider_id), [UUID(run_id)])


if __name__ == "__main__":
    main(*sys.argv[1:])
