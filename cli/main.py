"""The program `busbar`: arguments in, one command run, errors as one line.

Commands are named by text and imported when they run, so that `--help` does not wait for a database driver.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TypeAlias

from core.errors import Misconfigured, Refused

EXIT_REFUSED = 1
EXIT_MISCONFIGURED = 2
EXIT_INTERRUPTED = 130

# argparse has no public name for it
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = parser().parse_args(argv)
    try:
        return _run(args)
    except Misconfigured as error:
        return _complain(str(error), EXIT_MISCONFIGURED)
    except Refused as error:
        return _complain(error.detail, EXIT_REFUSED)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output went away; Python would complain once more while it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_REFUSED


def _run(args: argparse.Namespace) -> int:
    module, _, function = args.run.partition(":")
    command = getattr(importlib.import_module(module), function)
    try:
        return int(command(args))
    except Exception as error:
        if unreachable := _outside_fault(error):
            raise Misconfigured(unreachable) from None
        raise


def _outside_fault(error: Exception) -> str | None:
    """What to say when a server does not answer or refuses us, which is no fault of the program."""
    kind = type(error)
    root = kind.__module__.partition(".")[0]
    if kind.__name__ in ("OperationalError", "PoolTimeout") and root in ("sqlalchemy", "psycopg", "psycopg_pool"):
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        return f"PostgreSQL cannot be reached: {reason}. Check BUSBAR_DATABASE_URL, or run `busbar doctor`."
    if root == "redis":
        return f"The queue server cannot be reached: {error}. Check BUSBAR_QUEUE_URL, or run `busbar doctor`."
    if kind.__name__ == "ProgrammingError" and 'relation "' in str(error) and "does not exist" in str(error):
        return "The database has no tables yet: run `busbar migrate`."
    return None


def _complain(message: str, code: int) -> int:
    sys.stderr.write(f"busbar: {' '.join(message.split())}\n")
    return code


def parser() -> argparse.ArgumentParser:
    """The arguments of every command."""
    root = argparse.ArgumentParser(
        prog="busbar",
        description="Billing and payments for data centres: from the register of a rack PDU to the paid invoice.",
        epilog="Example: busbar serve --port 8080      Settings are environment variables: see docs/settings.md.",
    )
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _demo(commands)
    _serve(commands)
    _worker(commands)
    _plain(commands, "stop", "cli.stop:run", "Stop the embedded servers; their data stays.", "busbar stop")
    _migrate(commands)
    _provider(commands)
    _apikey(commands)
    _openapi(commands)
    _doctor(commands)
    _secrets(commands)
    return root


def _plain(commands: Commands, name: str, run: str, meaning: str, example: str) -> argparse.ArgumentParser:
    """One command, with its meaning and an example in its help."""
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=meaning, description=meaning, epilog=f"Example: {example}"
    )
    command.set_defaults(run=run)
    return command


def _group(commands: Commands, name: str, meaning: str, example: str) -> Commands:
    group = commands.add_parser(name, help=meaning, description=meaning, epilog=f"Example: {example}")
    commands_of_group: Commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    return commands_of_group


def _demo(commands: Commands) -> None:
    meaning = "Tell the whole story on simulated PDUs: a month of power, invoices, payments, a suspension."
    demo = _plain(commands, "demo", "cli.demo:run", meaning, "busbar demo --once")
    demo.add_argument("--once", action="store_true", help="check each claim, then exit 0 or 1 instead of serving on")


def _serve(commands: Commands) -> None:
    serve = _plain(
        commands,
        "serve",
        "cli.serve:run",
        "Serve the API and the pages, with a worker beside them. The first line printed has the address.",
        "busbar serve --host 0.0.0.0 --port 8080 --workers 4",
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    serve.add_argument("--port", type=port, default=8080, help="port to listen on; 0 picks a free one (default 8080)")
    serve.add_argument(
        "--workers", type=positive, default=None, help="web processes (default: one per core, two at least)"
    )
    serve.add_argument("--no-worker", action="store_true", help="do not start a worker; run `busbar worker` elsewhere")


def _worker(commands: Commands) -> None:
    worker = _plain(
        commands,
        "worker",
        "cli.worker:run",
        "Run the jobs and the schedule. Start as many as you like: one of them keeps the schedule.",
        "busbar worker --processes 6",
    )
    worker.add_argument("--processes", type=positive, default=None, help="job processes (default 5)")


def _migrate(commands: Commands) -> None:
    meaning = "Bring the database's schema to this version, or back."
    migrate = _plain(commands, "migrate", "cli.migrate:run", meaning, "busbar migrate")
    migrate.add_argument("--to", default="head", help="a revision; `base` takes everything back (default head)")


def _provider(commands: Commands) -> None:
    group = _group(
        commands, "provider", "Make providers, the tenants of an installation.", "busbar provider create Acme"
    )
    create = _plain(
        group,
        "create",
        "cli.provider:create",
        "Make a provider with its default seller and a first API key, which is shown once.",
        "busbar provider create 'Acme DC' --sandbox --json",
    )
    create.add_argument("name", help="the provider's name")
    create.add_argument("--sandbox", action="store_true", help="with a clock of its own and the sandbox card gateway")
    create.add_argument("--country", default="NL", help="two letters, ISO 3166 (default NL)")
    create.add_argument("--currency", default="EUR", help="three letters, ISO 4217 (default EUR)")
    create.add_argument("--time-zone", default="Europe/Amsterdam", help="IANA name (default Europe/Amsterdam)")
    create.add_argument("--json", action="store_true", help="print one JSON object")


def _apikey(commands: Commands) -> None:
    group = _group(
        commands, "apikey", "Make API keys.", "busbar apikey create --provider prov_01h… --scope invoices:read"
    )
    create = _plain(
        group,
        "create",
        "cli.provider:create_key",
        "Make an API key, which is shown once.",
        "busbar apikey create --provider prov_01h455vb4pex5vsknk084sn02q --scope invoices:read",
    )
    create.add_argument("--provider", required=True, help="the provider's id, prov_…")
    create.add_argument("--name", default="made on the terminal", help="what the key is for")
    create.add_argument("--scope", action="append", default=None, help="may be repeated (default: everything)")
    create.add_argument("--json", action="store_true", help="print one JSON object")


def _openapi(commands: Commands) -> None:
    meaning = "Print the OpenAPI description, write it to openapi/openapi.json, or compare that file with the routes."
    openapi = _plain(commands, "openapi", "cli.openapi:run", meaning, "busbar openapi --write")
    what = openapi.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="write openapi/openapi.json")
    what.add_argument(
        "--check", action="store_true", help="exit 1 when openapi/openapi.json is not what the routes say"
    )


def _doctor(commands: Commands) -> None:
    meaning = "Look at everything Busbar stands on and say what to do about each finding."
    doctor = _plain(commands, "doctor", "cli.doctor:run", meaning, "busbar doctor --json")
    doctor.add_argument("--json", action="store_true", help="print one JSON object")


def _secrets(commands: Commands) -> None:
    group = _group(commands, "secrets", "Look after the secrets of others.", "busbar secrets rotate")
    _plain(
        group,
        "rotate",
        "cli.secrets:rotate",
        "Write every stored secret anew with the first key of BUSBAR_SECRET_KEYS, so that older keys can go.",
        "BUSBAR_SECRET_KEYS=k2:…,k1:… busbar secrets rotate",
    )


def port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a number above zero, not {text!r}")
    return int(text)
