"""What a stack file may say: read here and nowhere else, and wholly checked before use."""

from infra.settings.reader import SettingsError
from infra.settings.records import (
    DatabaseSettings,
    HealthSettings,
    ImageSettings,
    NetworkSettings,
    ServiceSettings,
    Settings,
)

__all__ = [
    "DatabaseSettings",
    "HealthSettings",
    "ImageSettings",
    "NetworkSettings",
    "ServiceSettings",
    "Settings",
    "SettingsError",
]
