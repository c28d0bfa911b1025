"""gunicorn's configuration. It checks the environment before gunicorn opens a port."""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from gunicorn import glogging  # type: ignore[import-untyped]

from webapp import logs
from webapp.settings import Settings, SettingsError

try:
    settings = Settings.load(os.environ)
except SettingsError as error:
    print(error, file=sys.stderr)
    sys.exit(2)

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # a heartbeat file: on a disk it can block a worker


class JsonLogger(glogging.Logger):  # type: ignore[misc]
    """Writes gunicorn's log lines in the app's format. The app logs the requests."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        logs.configure(cfg.loglevel)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


wsgi_app = "webapp.front:create_front()"
host = f"[{settings.bind_host}]" if ":" in settings.bind_host else settings.bind_host
bind = f"{host}:{settings.port}"
worker_class = "asgi"
asgi_loop = "uvloop"  # 10 % more pages a second than asyncio's loop
workers = settings.workers
backlog = 1024
keepalive = settings.keep_alive
timeout = 30  # s without a heartbeat of a worker's event loop, which requests do not block
graceful_timeout = 25  # s; shorter than the task's stopTimeout of 30
worker_tmp_dir = str(SHARED_MEMORY) if os.access(SHARED_MEMORY, os.W_OK) else None
control_socket_disable = True  # its folder, the home folder, is read-only
logger_class = JsonLogger
loglevel = settings.log_level
accesslog = None
proc_name = "hello-ecs"


def post_fork(_server: Any, _worker: Any) -> None:
    """Block SIGTERM until the worker has loaded the app and its front unblocks the signal.

    uvloop loses a signal that arrives before the loop runs, and the main process would wait for the
    worker until graceful_timeout.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def when_ready(_server: Any) -> None:
    """Log the version, the address and the database."""
    fields = {
        "version": settings.version,
        "host": settings.bind_host,
        "port": settings.port,
        "workers": settings.workers,
        "db_host": settings.db_host,
        "db_port": settings.db_port,
        "db_sslmode": settings.db_sslmode,
    }
    logging.getLogger("webapp").info("listening", extra=fields)
