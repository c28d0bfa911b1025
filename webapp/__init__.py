"""careapp's web app: a Hello ECS page that proves that its container reaches its database."""

from webapp.application import create_app

__all__ = ["create_app"]
