"""What a stack file may say: read here and nowhere else, and wholly checked before use."""

from infra.settings.database import DatabaseSettings
from infra.settings.health import HealthSettings
from infra.settings.https import HttpsSettings
from infra.settings.image import ImageSettings
from infra.settings.logs import LogSettings
from infra.settings.monitoring import MonitoringSettings
from infra.settings.network import NetworkSettings
from infra.settings.reader import SettingsError
from infra.settings.scaling import ScalingSettings
from infra.settings.service import ServiceSettings
from infra.settings.stack import Settings

__all__ = [
    "DatabaseSettings",
    "HealthSettings",
    "HttpsSettings",
    "ImageSettings",
    "LogSettings",
    "MonitoringSettings",
    "NetworkSettings",
    "ScalingSettings",
    "ServiceSettings",
    "Settings",
    "SettingsError",
]
