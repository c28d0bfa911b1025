"""The web app: a page that is read from the database, and a health check."""

import os
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from webapp.settings import Settings

MAX_BODY = 16 * 1024  # bytes; no page reads a body
STATIC_SECONDS = 300  # a file's name does not change with its content


def create_app(settings: "Settings | None" = None) -> Flask:
    """Return the app, which connects to its database in the background.

    Reads the environment unless settings are given. Raises SettingsError if a variable is wrong.
    """
    # Imported here: gunicorn's main process imports this package and must not import the pages, which
    # it could not reload.
    from webapp import db, errors, login, logs, pages, task, texts
    from webapp.settings import Settings

    settings = settings or Settings.load(os.environ)
    app = Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY, SEND_FILE_MAX_AGE_DEFAULT=STATIC_SECONDS)
    # Otherwise Werkzeug redirects /health//db to the host of the request's Host header.
    app.url_map.merge_slashes = False
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.globals.update(version=settings.version)
    # One proxy, the load balancer. Values of these headers that the client sent are ignored.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]

    logs.init_app(app, settings.log_level)
    errors.init_app(app)
    texts.init_app(app)
    task.init_app(app, settings.metadata_uri)
    login.init_app(app, settings.load_balancer)
    db.init_app(app, settings)
    app.register_blueprint(pages.bp)
    return app
