"""The `valueFrom` of a task definition's secret (ECS API reference, Secret)."""


def secret_arn(value_from: str) -> str:
    """Return the secret's ARN in a `valueFrom`: without json key, stage and version."""
    return ":".join(value_from.split(":")[:7])


def secret_key(value_from: str) -> str:
    """Return the json key in a `valueFrom`, or empty text."""
    parts = value_from.split(":")
    return parts[7] if len(parts) > 7 else ""
