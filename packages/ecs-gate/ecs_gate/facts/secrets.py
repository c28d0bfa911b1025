"""The `valueFrom` of a task definition's secret (ECS API reference, Secret)."""


def secret_arn(value_from: str) -> str:
    """Return the secret's ARN in a `valueFrom`: without json key, stage and version."""
    return ":".join(value_from.split(":")[:7])


def secret_key(value_from: str) -> str:
    """Return the json key in a `valueFrom`, or empty text."""
    parts = value_from.split(":")
    return parts[7] if len(parts) > 7 else ""


def is_parameter(value_from: str) -> bool:
    """Return whether it is a parameter of Parameter Store, by its ARN or, in the task's region, by its name."""
    return ":secretsmanager:" not in value_from


def is_of_another_region(value_from: str, region: str) -> bool:
    """Return whether it is a secret of Secrets Manager in another region than this one."""
    return not is_parameter(value_from) and value_from.split(":")[3] != region


def parameter_arn(value_from: str, where: str) -> str:
    """Return a parameter's ARN; ``where`` is the partition, `ssm`, region and account, as ARNs have them.

    A name that is a path begins with a slash (IAM user guide for Systems Manager, "Parameter").
    """
    if value_from.startswith("arn:"):
        return value_from
    return f"arn:{where}:parameter/{value_from.removeprefix('/')}"
