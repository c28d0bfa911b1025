"""A rule of Secrets Manager that moto lacks."""

from local_cloud.aws.hooks import Params, Refused, backend, before


@before("secretsmanager", "CreateSecret")
def name_is_free(params: Params) -> None:
    """Refuse the name of a secret that is to be deleted. Error message: terraform-provider-aws, secret.go."""
    held = backend("secretsmanager").secrets.get(params["Name"])
    if held is not None and held.is_deleted():
        raise Refused(
            "InvalidRequestException",
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
        )
