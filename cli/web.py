"""The web server: gunicorn with threads (`cli.web_worker`), several processes, on a socket that is already bound."""

from __future__ import annotations

from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from prometheus_client import multiprocess

from cli import web_worker
from cli.web_worker import Worker
from runtime import garbage
from runtime import house as houses

THREADS = 8
REQUEST_SECONDS_MAX = 120
GRACE_SECONDS = 20


class Logs(Logger):
    """gunicorn's messages through our own formatter."""

    def setup(self, cfg: Any) -> None:
        self.error_log.handlers[:] = []
        self.error_log.propagate = True
        self.access_log.disabled = True


class Web(BaseApplication):
    """The application on an inherited socket."""

    def __init__(self, descriptor: int, workers: int) -> None:
        self._options = {
            "bind": [f"fd://{descriptor}"],
            "workers": workers,
            "worker_class": Worker,
            "threads": THREADS,
            "preload_app": True,
            "timeout": REQUEST_SECONDS_MAX,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": 75,
            "max_requests": 0,
            "logger_class": Logs,
            "loglevel": "warning",
            "accesslog": None,
            "control_socket_disable": True,
            "post_fork": _after_fork,
            "child_exit": _child_gone,
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        from cli.wsgi import create

        return create()


def serve(descriptor: int, workers: int) -> None:
    """Serve until told to stop; ends the process."""
    Web(descriptor, workers).run()


def _after_fork(_: Any, __: Any) -> None:
    """Connections are not shared between processes: forget the parent's without closing them."""
    houses.house().engine.dispose(close=False)
    garbage.collect_rarely()


def _child_gone(_: Any, worker: Any) -> None:
    web_worker.forget(worker)
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
