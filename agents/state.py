"""The agent's state directory: credentials, the last good configuration, the spool. Only its user may read it."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from agents.server import Credentials
from agents.targets import Configuration, parse_configuration
from core.errors import Misconfigured

ENVIRONMENT = "BUSBAR_AGENT_STATE"


def default_directory() -> Path:
    """`$BUSBAR_AGENT_STATE`, or the user's state directory."""
    if named := os.environ.get(ENVIRONMENT):
        return Path(named)
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "busbar-agent"


@dataclass(frozen=True)
class Kept:
    """A configuration as it was kept: with its ETag, and whose clock held then."""

    configuration: Configuration
    tag: str
    clock: str


class StateDirectory:
    """Files of one agent. Secrets are written with mode 0600 and replaced whole, never half."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def spool_file(self) -> Path:
        return self.path / "spool.sqlite"

    def create(self) -> None:
        """Make the directory.

        Raises:
            Misconfigured: it cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Misconfigured(f"cannot use {self.path}: {error.strerror}") from error

    def lock(self) -> TextIO:
        """Keep a second agent out for as long as the returned file is open.

        Raises:
            Misconfigured: another agent runs on this directory.
        """
        try:
            file = (self.path / "lock").open("w")
        except OSError as error:
            raise Misconfigured(f"cannot use {self.path}: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise Misconfigured(f"another busbar-agent already runs on {self.path}") from error
        return file

    def save_credentials(self, credentials: Credentials) -> None:
        """Keep what enrolment gave. A configuration from before was another agent's."""
        (self.path / "configuration.json").unlink(missing_ok=True)
        self._write("credentials.json", asdict(credentials))

    def credentials(self) -> Credentials:
        """What enrolment gave.

        Raises:
            Misconfigured: the agent is not enrolled here.
        """
        try:
            return Credentials(**json.loads((self.path / "credentials.json").read_text()))
        except FileNotFoundError as error:
            raise Misconfigured(
                f"not enrolled: {self.path} has no credentials; run busbar-agent enrol --server URL --token TOKEN"
            ) from error
        except (OSError, ValueError, TypeError) as error:
            raise Misconfigured(f"{self.path / 'credentials.json'} cannot be read: {error}") from error

    def keep_configuration(self, document: dict[str, Any], tag: str, clock: str) -> Configuration:
        """Read a configuration and keep it for a start without the server.

        Raises:
            Misconfigured: it cannot be used; the one before stays.
        """
        configuration = parse_configuration(document)
        self._write("configuration.json", {"document": document, "tag": tag, "clock": clock})
        return configuration

    def configuration(self) -> Kept | None:
        """The last good configuration, or None."""
        try:
            kept = json.loads((self.path / "configuration.json").read_text())
            return Kept(parse_configuration(kept["document"]), str(kept["tag"]), str(kept["clock"]))
        except (OSError, ValueError, KeyError, TypeError, Misconfigured):
            return None

    def _write(self, name: str, document: dict[str, Any]) -> None:
        temporary = self.path / f"{name}.new"
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path / name)
