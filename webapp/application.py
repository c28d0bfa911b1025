"""The factory: settings in, a Flask app with its background work out."""

import logging
import os
from dataclasses import dataclass

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp import errors, logs
from webapp.credentials import Credentials
from webapp.database import Database
from webapp.front import Front
from webapp.pages import Pages
from webapp.schema import Migrator
from webapp.settings import Settings
from webapp.statics import StaticFiles
from webapp.task import Task
from webapp.texts import LANGUAGES, TEXTS, ZONES
from webapp.visits import Visits

log = logging.getLogger(__name__)

MAX_BODY = 16 * 1024  # bytes; no page takes a body


@dataclass(frozen=True)
class Background:
    """What works behind the pages."""

    database: Database
    migrator: Migrator
    task: Task

    def start(self) -> None:
        """Begin to connect, to migrate and to ask for the task's id; returns at once."""
        self.task.start()
        self.database.open()
        self.migrator.start()

    def stop(self) -> None:
        """Write what waits and close the pool."""
        self.migrator.stop()
        self.database.close()
        log.info("stopped")


def create_app(settings: Settings | None = None) -> Flask:
    """The app, its background work started; `app.extensions["careapp"].stop()` ends that.

    Raises SettingsError if the environment, which is read unless settings are given, is wrong.
    """
    settings = settings or Settings.load(os.environ)
    logs.configure(settings.log_level)
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    # Otherwise /static//x is redirected, to whatever host the client named, in Werkzeug's words.
    app.url_map.merge_slashes = False
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    database = Database(settings, Credentials.of(settings), clients=len(LANGUAGES))
    background = Background(
        database, Migrator(database.unlimited_parameters), Task(settings.metadata_uri)
    )
    app.extensions["careapp"] = background
    files = StaticFiles()
    app.jinja_env.globals.update(
        texts=TEXTS, zones=ZONES, static_url=files.url, version=settings.version
    )
    pages = Pages(database, Visits(database), background.task, app.jinja_env)
    app.register_blueprint(pages.blueprint())
    app.register_blueprint(files.blueprint())
    errors.register(app)
    front = Front(app.wsgi_app, pages.page)
    # One hop: the load balancer. What a client wrote into these headers itself comes before.
    app.wsgi_app = ProxyFix(front, x_for=1, x_proto=1)  # type: ignore[method-assign]
    background.start()
    return app
