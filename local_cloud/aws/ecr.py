"""ECR's rule for immutable tags, for which moto has another error code."""

from local_cloud.aws.hooks import ACCOUNT, Params, Refused, backend, before


@before("ecr", "PutImage")
def tag_is_immutable(params: Params) -> None:
    """Refuse an existing tag in an immutable repository, even for the same image.

    Sources: API reference, PutImage, ImageTagAlreadyExistsException;
    github.com/aws/containers-roadmap/issues/2179 (the same digest);
    github.com/moby/buildkit/issues/3776 (the message).
    """
    name, tag = str(params["repositoryName"]), params.get("imageTag")
    repository = backend("ecr").repositories.get(name)
    if repository is None:
        raise Refused(
            "RepositoryNotFoundException",
            f"The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'",
        )
    exists = any(tag in image.image_tags for image in repository.images)
    if exists and repository.image_tag_mutability == "IMMUTABLE":
        raise Refused(
            "ImageTagAlreadyExistsException",
            f"The image tag '{tag}' already exists in the '{name}' repository and cannot be"
            " overwritten because the repository is immutable.",
        )
