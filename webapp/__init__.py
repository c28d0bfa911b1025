"""careapp's web app: a Hello ECS page that proves that its container reaches its database."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from webapp.settings import Settings

__all__ = ["create_app"]


def create_app(settings: "Settings | None" = None) -> "Flask":
    """See webapp.application, which is loaded only now: gunicorn's main process needs no Flask."""
    from webapp import application

    return application.create_app(settings)
