"""Tells whether this process calls a local cloud, and what that says of its clock and its listeners."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

FACTS = "LOCAL_CLOUD_FACTS"
"""The variable that names the file in which a local cloud says where its listeners listen."""


def is_used() -> bool:
    """Return whether this process calls a local cloud. AWS_ENDPOINT_URL alone may lead anywhere."""
    return bool(facts_file())


def facts_file() -> str:
    """Return the file of the local cloud that this process calls; "" without one."""
    return os.environ.get(FACTS, "")


def _facts() -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(Path(facts_file()).read_text())
    except OSError:
        return {}
    return facts


def monotonic() -> float:
    """Return seconds for measuring waits for AWS, to be multiplied by the clock's speed.

    With a local cloud they are seconds of its own clock, which slows down while tasks start
    (local_cloud/aws/ecs/starts.py).
    """
    facts = _facts()
    if "time" not in facts:
        return time.monotonic()
    return datetime.fromisoformat(facts["time"]).timestamp() / float(facts["options"]["speed"])


def now() -> datetime:
    """Return the time of AWS's clock: a local cloud's runs ahead of this machine's."""
    facts = _facts()
    return datetime.fromisoformat(facts["time"]) if "time" in facts else datetime.now(UTC)


def listener(arn: str) -> tuple[str, int, str | None, bool] | None:
    """Return host, port and CA file of a listener in the local cloud, and whether it lets its clients in."""
    for each in _facts().get("state", {}).get("listeners", ()):
        if each["arn"] == arn:
            url = urlsplit(each["url"])
            return str(url.hostname), int(url.port or 0), each.get("authority"), each["open"]
    return None


def left_out() -> list[str]:
    """Return what the image does not have, because the local cloud built it without a Docker engine."""
    return [str(name) for name in _facts().get("state", {}).get("left_out", ())]
