"""gunicorn's settings for one task; the environment is checked here, before any port is opened."""

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
    """gunicorn's own log lines in the app's format. The app itself logs the requests."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        logs.configure(cfg.loglevel)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


wsgi_app = "webapp.front:create_front()"
host = f"[{settings.bind_host}]" if ":" in settings.bind_host else settings.bind_host
bind = f"{host}:{settings.port}"
worker_class = "asgi"
asgi_loop = "uvloop"  # a tenth more pages a second than asyncio's own
workers = settings.workers
backlog = 1024
# Longer than the balancer's idle timeout (60 s by default on AWS): the one that closes an idle
# connection must be the one that sends requests on it.
keepalive = 75
timeout = 30  # s without a heartbeat of a worker's event loop; requests do not block that
graceful_timeout = 25  # s; shorter than the task's stopTimeout of 30
worker_tmp_dir = str(SHARED_MEMORY) if os.access(SHARED_MEMORY, os.W_OK) else None
control_socket_disable = True  # it would be written to the home folder, which is read-only
logger_class = JsonLogger
loglevel = settings.log_level
accesslog = None
proc_name = "careapp"


def post_fork(_server: Any, _worker: Any) -> None:
    """Keep a SIGTERM waiting that comes while the worker loads the app.

    uvloop loses a signal that comes before the loop runs (the front lets it through then), and the
    main process would wait for the worker until graceful_timeout.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def when_ready(_server: Any) -> None:
    """Say what has started."""
    told = {
        "version": settings.version,
        "host": settings.bind_host,
        "port": settings.port,
        "workers": settings.workers,
        "db_host": settings.db_host,
        "db_port": settings.db_port,
        "db_sslmode": settings.db_sslmode,
    }
    logging.getLogger("webapp").info("listening", extra=told)
