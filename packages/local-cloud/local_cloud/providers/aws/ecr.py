"""Image repositories."""

from local_cloud.providers.kind import Subject, modify, regular


def _remove(subject: Subject) -> None:
    subject.call("delete_repository", force=bool(subject.inputs.get("force")))


REPOSITORY = regular(
    "aws:ecr/repository:Repository",
    "repositoryName",
    read="describe_repositories",
    replaces="encryptionConfigurations",
    names={"name": "repositoryName", "forceDelete": "force"},
    ignored={"force": "used by _remove"},
    settings=(
        modify("put_image_tag_mutability", "imageTagMutability"),
        modify("put_image_scanning_configuration", "imageScanningConfiguration"),
    ),
    on_delete=_remove,
    defaults={"imageTagMutability": "MUTABLE"},
    autoname="name",
    outputs={
        "arn": "repositoryArn",
        "registryId": "registryId",
        "repositoryUrl": "repositoryUri",
        "name": "repositoryName",
    },
)


LIFECYCLE_POLICY = regular(
    "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    "repositoryName",
    create="put_lifecycle_policy",
    read="get_lifecycle_policy",
    update="put_lifecycle_policy",
    # The provider has no update: a changed policy is a replacement.
    replaces="repository policy",
    # A repository has one policy. Deleting the old one last would delete the new one (pulumi-aws pull request 2085).
    deletes_first=True,
    names={"repository": "repositoryName", "policy": "lifecyclePolicyText"},
    outputs={"registryId": "registryId"},
)

KINDS = (REPOSITORY, LIFECYCLE_POLICY)
