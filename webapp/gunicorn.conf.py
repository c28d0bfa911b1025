"""gunicorn's settings for one task; the environment is checked here, before any port is opened."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

from webapp import logs
from webapp.settings import THREADS, Settings, SettingsError

try:
    settings = Settings.load(os.environ)
except SettingsError as error:
    print(error, file=sys.stderr)
    sys.exit(2)

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # a heartbeat file: on a disk it can block a worker

wsgi_app = "webapp:create_app()"
host = f"[{settings.bind_host}]" if ":" in settings.bind_host else settings.bind_host
bind = f"{host}:{settings.port}"
worker_class = "webapp.server.LanedWorker"
workers = settings.workers
threads = THREADS
worker_connections = 1000
backlog = 1024
# Longer than the balancer's idle timeout (60 s by default on AWS): the one that closes an idle
# connection must be the one that sends requests on it.
keepalive = 75
timeout = 30  # s without a heartbeat of a worker's main loop; requests do not block that
graceful_timeout = 25  # s; shorter than the task's stopTimeout of 30
worker_tmp_dir = str(SHARED_MEMORY) if os.access(SHARED_MEMORY, os.W_OK) else None
control_socket_disable = True  # it would be written to the home folder, which is read-only
logger_class = "webapp.serverlog.JsonLogger"
loglevel = settings.log_level
accesslog = None
proc_name = "careapp"


def when_ready(_server: Any) -> None:
    """Say what has started."""
    logging.getLogger("webapp").info(
        "listening",
        extra=logs.fields(
            version=settings.version,
            host=settings.bind_host,
            port=settings.port,
            workers=settings.workers,
            threads=THREADS,
            db_host=settings.db_host,
            db_port=settings.db_port,
            db_sslmode=settings.db_sslmode,
        ),
    )


def post_fork(_server: Any, _worker: Any) -> None:
    """From here on log lines are written by a thread."""
    logs.SINK.start()


def worker_exit(_server: Any, worker: Any) -> None:
    """The last request is answered: write what waits, close the pool."""
    if background := getattr(getattr(worker, "wsgi", None), "extensions", {}).get("careapp"):
        background.stop()
    logs.SINK.stop()
