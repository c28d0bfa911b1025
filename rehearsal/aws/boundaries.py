"""The permissions boundary of a new role, which moto does not look up."""

from __future__ import annotations

from rehearsal.aws import hooks


@hooks.before("iam", "CreateRole")
@hooks.before("iam", "PutRolePermissionsBoundary")
def boundary_exists(params: hooks.Params) -> None:
    """Refuse a boundary that is no policy, as IAM does (IAM API, CreateRole: NoSuchEntity)."""
    arn = params.get("PermissionsBoundary")
    if arn and arn not in hooks.backend("iam").managed_policies:
        words = f"Scope ARN: {arn} does not exist or is not attachable."
        raise hooks.Refused("NoSuchEntity", words)
