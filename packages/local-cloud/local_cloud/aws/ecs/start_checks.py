"""Fargate's checks before a container starts: registry, image, secrets, log streams, with its error messages."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from local_cloud.aws import hooks
from local_cloud.aws.ec2.firewall import Endpoint, Map
from local_cloud.aws.ec2.network import api_places, reaches
from local_cloud.aws.iam import TaskRole, arn, may_assume
from local_cloud.aws.kms import decrypts
from local_cloud.aws.policy_evaluation import Document
from local_cloud.building.builder import ImageNotFound, LocalImage

PULL = "ResourceInitializationError: unable to pull secrets or registry auth: "
RETRIEVAL = f"{PULL}execution resource retrieval failed: "
LOGGER = "ResourceInitializationError: failed to validate logger args: "
PLATFORMS = {"X86_64": "linux/amd64", "ARM64": "linux/arm64"}
"""By a task definition's cpuArchitecture, the platform of its images (ECS API, RuntimePlatform)."""


class CannotStart(Exception):
    """The task cannot start. ``str()`` is ECS's stopped reason."""


class StartChecks:
    """Checks one task against the declared network, roles, images, secrets and log groups."""

    def __init__(self, task_id: str, definition: Any, network: Map, source: Endpoint) -> None:
        self._task, self._definition = task_id, definition
        self._network, self._source = network, source
        self._role = getattr(definition, "execution_role_arn", None)

    def roles(self) -> None:
        """Check that ECS can assume the task's roles (ECS developer guide, "Task IAM role"). Raises CannotStart.

        Error message: telia-oss/terraform-aws-ecs-fargate pull request 58. On AWS it is an event of the service.
        """
        for role in (self._role, getattr(self._definition, "task_role_arn", None)):
            if role and not may_assume(TASKS, role, arn("ecs", "*")):
                raise CannotStart(
                    f"ECS was unable to assume the role '{role}' that was provided for this task. Please verify that"
                    " the role being passed has the proper trust relationship and permissions and that your IAM user"
                    " has permissions to pass this role."
                )

    def pull(self, reference: str, images: Callable[[str], LocalImage]) -> LocalImage:
        """Return the image if the task can pull it. Raises CannotStart."""
        if ".dkr.ecr." in reference:
            self._registry(reference)
        try:
            image = images(reference)
        except ImageNotFound:
            raise CannotStart(
                "CannotPullContainerError: pull image manifest has been retried 1 time(s):"
                f" failed to resolve ref {reference}: {reference}: not found"
            ) from None
        if ".dkr.ecr." in reference:
            region = reference.split(".dkr.ecr.")[1].split(".")[0]
            host = f"prod-{region}-starport-layer-bucket.s3.{region}.amazonaws.com"
            self._request(
                "s3", "failed to copy: httpReadSeeker: failed open: failed to do request: Get", host
            )
        runtime = self._definition.runtime_platform or {}
        wanted = PLATFORMS[str(runtime.get("cpuArchitecture") or "X86_64")]
        if image.platform != wanted:
            raise CannotStart(
                "CannotPullContainerError: pull image manifest has been retried 7 time(s):"
                f" image Manifest does not contain descriptor matching platform '{wanted}'"
            )
        return image

    def _registry(self, reference: str) -> None:
        region = reference.split(".dkr.ecr.")[1].split(".")[0]
        where = f"{RETRIEVAL}unable to retrieve ecr registry auth: service call has been retried "
        if not self._reaches("ecr.api"):
            host = f"api.ecr.{region}.amazonaws.com"
            raise CannotStart(
                f"{where}3 time(s): RequestError: send request failed caused by: Post"
                f' "https://{host}/": dial tcp{self._no_connection("ecr.api", host)}.'
                " Please check your task network configuration."
            )
        if problem := self._denied("ecr:GetAuthorizationToken", "*"):
            raise CannotStart(f"{where}1 time(s): {_refusal('ECR', problem)}")
        name = reference.split("/", 1)[1].split("@")[0].rsplit(":", 1)[0]
        self._request(
            "ecr.dkr",
            f"failed to resolve ref {reference}: failed to do request: Head",
            reference.split("/")[0],
        )
        arn = f"arn:aws:ecr:{region}:{hooks.ACCOUNT}:repository/{name}"
        repository = hooks.backend("ecr").repositories.get(name)
        policy = json.loads(getattr(repository, "policy", None) or "{}")
        for action in ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"):
            if problem := self._denied(action, arn, policy):
                raise CannotStart(
                    "CannotPullContainerError: pull image manifest has been retried 1 time(s):"
                    f" failed to resolve ref {reference}: unexpected status from HEAD request to"
                    f" the registry: 403 Forbidden: {problem}"
                )

    def secret(self, value_from: str) -> str:
        """Return the secret of ``valueFrom``, "<arn>[:json-key:stage:version]". Raises CannotStart.

        A name without an ARN is that of a parameter in the task's region (API reference, Secret).
        """
        arn, key, stage, version = _split(value_from)
        if ":ssm:" in arn or not arn.startswith("arn:"):
            return self._parameter(value_from)
        if not self._reaches("secretsmanager"):
            raise CannotStart(
                f"{PULL}unable to retrieve secret from asm: There is a connection issue between the"
                " task and AWS Secrets Manager. Check your task network configuration. failed to"
                f" fetch secret {arn} from secrets manager: operation error Secrets Manager:"
                " GetSecretValue, https response error StatusCode: 0, RequestID: , canceled,"
                " context deadline exceeded"
            )
        where = f"{RETRIEVAL}unable to retrieve secret from asm: service call has been retried 1"
        fetch = f"{where} time(s): failed to fetch secret {arn} from secrets manager: "
        if problem := self._denied("secretsmanager:GetSecretValue", arn):
            raise CannotStart(f"{fetch}{_refusal('Secrets Manager: GetSecretValue', problem)}")
        text = _read(arn, stage, version, fetch)
        key_id = hooks.backend("secretsmanager").secrets[arn].kms_key_id
        if self._role and not decrypts(self._role, key_id):
            # Message: GiamPy5/terraform-aws-directus issue 10.
            problem = "Access to KMS is not allowed"
            raise CannotStart(f"{fetch}{_refusal('Secrets Manager: GetSecretValue', problem)}")
        if not key:
            return text
        try:
            return str(json.loads(text)[key])
        except (ValueError, KeyError, TypeError):
            raise CannotStart(
                f"{where} time(s): retrieved secret from Secrets Manager did not contain json key"
                f" {key}"
            ) from None

    def _parameter(self, value_from: str) -> str:
        """Return the value of an SSM parameter. The error messages are those that users of ECS report."""
        name = value_from.rpartition(":parameter/")[2].lstrip("/")
        arn = f"arn:aws:ssm:{hooks.registry.region}:{hooks.ACCOUNT}:parameter/{name}"
        if not self._reaches("ssm"):
            raise CannotStart(
                f"{PULL}unable to retrieve secrets from ssm: The task cannot pull secrets from AWS Systems"
                " Manager. There is a connection issue between the task and AWS Systems Manager Parameter"
                " Store. Check your task network configuration. operation error SSM: GetParameters, https"
                " response error StatusCode: 0, RequestID: , canceled, context deadline exceeded"
            )
        where = f"{RETRIEVAL}unable to retrieve secrets from ssm: service call has been retried 1 time(s): "
        if problem := self._denied("ssm:GetParameters", arn):
            raise CannotStart(f"{where}{_refusal('SSM: GetParameters', problem)}")
        with hooks.LOCK:
            found = hooks.backend("ssm").get_parameters([value_from])
        if not found:
            slash = "/" if "/" in name else ""
            raise CannotStart(f"{where}invalid ssm parameters: {slash}{name}")
        [held] = found.values()
        return str(held.decrypt(held.value))

    def log_stream(self, options: dict[str, str], stream: str) -> None:
        """Create the log stream. Raises CannotStart."""
        group = options["awslogs-group"]
        if not self._reaches("logs"):
            raise CannotStart(
                f"{LOGGER}The task cannot find the Amazon CloudWatch log group defined in the task"
                " definition. There is a connection issue between the task and Amazon CloudWatch."
                " Check your network configuration. : signal: killed"
            )
        failed = (
            f"{LOGGER}create stream has been retried 1 times: failed to create Cloudwatch log"
            " stream: "
        )
        region = hooks.registry.region
        arn = f"arn:aws:logs:{region}:{hooks.ACCOUNT}:log-group:{group}:log-stream:{stream}"
        if problem := self._denied("logs:CreateLogStream", arn):
            raise CannotStart(f"{failed}AccessDeniedException: {problem} : exit status 1")
        with hooks.LOCK:
            logs = hooks.backend("logs")
            if group not in logs.groups:
                raise CannotStart(
                    f"{failed}ResourceNotFoundException: The specified log group does not exist."
                    " : exit status 1"
                )
            logs.ensure_log_stream(group, stream)

    def _request(self, service: str, doing: str, host: str) -> None:
        """Check a request of the pull: to the registry, or to S3, which has the layers of its images.

        Sources: ECR user guide, "Create the Amazon S3 gateway endpoint"; ECS developer guide, "CannotPullContainer task
        errors"; containerd, core/remotes/docker. Raises CannotStart.
        """
        if not self._reaches(service):
            raise CannotStart(
                f"CannotPullContainerError: ref pull has been retried 5 time(s): {doing}"
                f' "https://{host}/": dial tcp{self._no_connection(service, host)}'
            )

    def _no_connection(self, service: str, host: str) -> str:
        """Return where Go's client waited: for the resolver (aws/amazon-ecs-agent#218), or for the host."""
        resolver = self._network.without_dns.get(self._source.subnet or "")
        if resolver is None:
            [place, *_] = api_places(self._source, service)
            return f" {place.address}:443: i/o timeout"
        return f": lookup {host} on {resolver}:53: read udp {self._source.address}:40000->{resolver}:53: i/o timeout"

    def _reaches(self, service: str) -> bool:
        return reaches(self._network, self._source, service)

    def _denied(self, action: str, resource: str, policy: Document | None = None) -> str | None:
        if self._role is None:
            return f"no execution role is set, which {action} needs"
        return TaskRole(self._role, self._task).refusal(action, resource, policy)


TASKS = "ecs-tasks.amazonaws.com"


def _refusal(operation: str, problem: str) -> str:
    return (
        f"operation error {operation}, https response error StatusCode: 400, RequestID:"
        f" {uuid.uuid4()}, api error AccessDeniedException: {problem}"
    )


def _split(value_from: str) -> tuple[str, str, str, str]:
    parts = value_from.split(":")
    arn, rest = ":".join(parts[:7]), [*parts[7:], "", "", ""]
    return arn, rest[0], rest[1], rest[2]


def _read(arn: str, stage: str, version: str, fetch: str) -> str:
    with hooks.LOCK:
        try:
            found = hooks.backend("secretsmanager").get_secret_value(
                arn, version or None, stage or None
            )
        except Exception as missing:
            words = getattr(missing, "message", str(missing))
            raise CannotStart(
                f"{fetch}operation error Secrets Manager: GetSecretValue, https response error"
                f" StatusCode: 400, RequestID: {uuid.uuid4()}, ResourceNotFoundException: {words}"
            ) from None
        return str(found["SecretString"])
