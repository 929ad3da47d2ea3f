"""Rules of the house that a machine can measure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOORS = (
    *("api", "portal", "jobs", "cli", "runtime", "services", "payments", "exports"),
    *("tax_engines", "events", "stores", "models"),
    *("billing", "core", "agents", "standins", "embedded"),
)
DOORS = {"runtime"}  # doors commit through runtime.unit, the one helper
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400
# A generated list of tables is no prose.
GENERATED = {ROOT / "migrations/versions/0002_tables.py"}


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (p for p in sorted((ROOT / folder).rglob("*.py")) if p not in GENERATED)


def test_no_file_is_longer_than_400_lines() -> None:
    long = {
        str(p.relative_to(ROOT)): n
        for p in sources(*FLOORS, "migrations")
        if (n := p.read_text().count("\n")) > FILE_LINES_MAX
    }
    assert not long, f"split these by verb: {long}"


def test_no_function_is_longer_than_70_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {lines} lines"
        for path in sources(*FLOORS, "migrations")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not long, "\n".join(long)


def test_only_the_transaction_helper_commits() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources(*(set(FLOORS) - DOORS - {"standins", "agents", "embedded"}))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"\.(commit|rollback|begin|begin_nested)\(", line) and "savepoint" not in line
    ]
    assert not found, f"one request, one job, one command is one transaction, through runtime.unit: {found}"


def test_sql_now_is_never_business_time() -> None:
    pattern = re.compile(r"\b(now\(\)|current_timestamp|current_date|localtimestamp)", re.IGNORECASE)
    python_call = re.compile(r"(clock|system|\.|_)\w*now\(\)|def now\(\)|system_now\(\)")
    found = []
    for path in sources(
        "services",
        "stores",
        "models",
        "billing",
        "jobs",
        "api",
        "portal",
        "payments",
        "events",
        "exports",
        "tax_engines",
        "migrations",
    ):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if pattern.search(python_call.sub("", line)):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found, "business time is ctx.now:\n" + "\n".join(found)


def test_nothing_below_the_doors_reads_the_environment_or_a_clock() -> None:
    clock = re.compile(r"os\.environ|os\.getenv|datetime\.(now|utcnow|today)\(|date\.today\(|time\.time\(")
    allowed = {ROOT / "services/clock.py"}
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources(
            *("services", "payments", "exports", "tax_engines", "events", "stores", "models", "billing", "core")
        )
        if path not in allowed
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if clock.search(line)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("folder", FLOORS)
def test_a_package_says_what_it_owns_and_what_not(folder: str) -> None:
    doc = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text())) or ""
    assert re.search(r"\bowns?\b", doc, re.IGNORECASE), f"{folder}/__init__.py does not say what it owns"
    assert re.search(r"\bnot own\b|\bdoes not\b", doc, re.IGNORECASE), (
        f"{folder}/__init__.py does not say what it leaves to others"
    )


def test_no_float_touches_money_prices_or_quantities() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources("billing", "core")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float")
    ]
    assert not found, found


def test_nothing_committed_names_a_registry_or_a_path_of_a_machine() -> None:
    # Put together from pieces, so that this file says none of it either.
    said = [*(f"{a}-{b}" for a, b in (("index", "url"), ("find", "links"))), "py" + r"pi\.[a-z]+", "python" + "hosted"]
    places = [f"/{top}/" for top in ("root", "work", r"home/\w+")]
    pattern = re.compile("|".join([*said, *places]))
    names = ["pyproject.toml", "Makefile", "constraints.txt", "README.md", ".ci/run"]
    files = [ROOT / n for n in names if (ROOT / n).exists()] + list(sources(*FLOORS, "tests", "benchmarks"))
    files += list((ROOT / "docs").rglob("*.md"))
    found = [str(p.relative_to(ROOT)) for p in files if pattern.search(p.read_text())]
    assert not found, found
