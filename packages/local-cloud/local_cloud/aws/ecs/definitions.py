"""What ECS refuses of a task definition (API reference, RegisterTaskDefinition and ContainerDefinition)."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from local_cloud.aws.hooks import Broken, Params, Refusals, other_than, twice

CLIENT = "ClientException"
FARGATE: dict[int, Iterable[int]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4097, 1024),
    1024: range(2048, 8193, 1024),
    2048: range(4096, 16385, 1024),
    4096: range(8192, 30721, 1024),
    8192: range(16384, 61441, 4096),
    16384: range(32768, 122881, 8192),
    32768: (61440, 122880, 249856),
}
"""CPU units with their MiB of memory (ECS developer guide, "Fargate task definition differences")."""

LOG_OPTION = "awslogs-(create-group|region|group|stream-prefix|datetime-format|multiline-pattern)|mode|max-buffer-size"
"""ECS developer guide, "Send Amazon ECS logs to CloudWatch"; the message: "disallows options" (ECS agent)."""
ENDED = ("SUCCESS", "COMPLETE")

LONGEST_STOP = 120
"""Seconds on Fargate (API reference, ContainerDefinition, stopTimeout)."""

NOT_ON_FARGATE = (
    *("disableNetworking", "dnsSearchDomains", "dnsServers", "dockerSecurityOptions", "extraHosts"),
    *("hostname", "links", "privileged", "resourceRequirements"),
)
"""Members of a container definition (API reference, ContainerDefinition: "not supported" on Fargate or with awsvpc)."""

ROLE = "Fargate requires task definition to have execution role ARN to support "
"""virtual-kubelet/virtual-kubelet issue 193, hashicorp/terraform-provider-aws issue 3051."""


def units(value: Any) -> int:
    """Return the CPU units of "1 vCPU" or the MiB of "2 GB", or the number itself; 0 for what is neither.

    Both forms: API reference, RegisterTaskDefinition, cpu and memory.
    """
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(vcpu|gb)?\s*", str(value or 0), re.I)
    return int(float(found[1]) * (1024 if found[2] else 1)) if found else 0


def _containers(given: Params) -> list[Params]:
    return list(given.get("containerDefinitions") or ())


def _any(broken: Callable[[Params, Params], object]) -> Broken:
    """Return a rule of each container of a definition, whose value is the container's name."""
    return lambda given: next((c["name"] for c in _containers(given) if broken(given, c)), None)


def _fargate(given: Params) -> bool:
    return "FARGATE" in (given.get("requiresCompatibilities") or [])


def fits_fargate(given: Params) -> bool:
    return units(given.get("memory")) in FARGATE.get(units(given.get("cpu")), ())


def _dependencies(given: Params) -> Iterator[tuple[str, Params | None]]:
    """Yield the condition and the container of each dependency; None for a container that is not there."""
    known = {container["name"]: container for container in _containers(given)}
    for container in _containers(given):
        for dependency in container.get("dependsOn") or ():
            yield dependency["condition"], known.get(dependency["containerName"])


def _logs_to(container: Params) -> str:
    return str((container.get("logConfiguration") or {}).get("logDriver"))


def _options(container: Params) -> Params:
    return (container.get("logConfiguration") or {}).get("options") or {}


def _lacks(*options: str) -> Callable[[Params, Params], object]:
    """Return a rule of a container that logs to CloudWatch without one of these options."""
    return lambda _, c: _logs_to(c) == "awslogs" and not {*options} <= _options(c).keys()


def _roleless(needs: Callable[[Params], object]) -> Broken:
    """Return a rule of what ECS does on Fargate with the execution role, for a task that has none."""
    return lambda given: (
        _fargate(given)
        and not given.get("executionRoleArn")
        and any(map(needs, _containers(given)))
    )


def _unknown_volume(given: Params) -> Any:
    known = {volume.get("name") for volume in given.get("volumes") or ()}
    # Without one ECS says `Unknown volume 'null'.` (blinkist/terraform-aws-airship-ecs-service issue 46).
    used = (
        e.get("sourceVolume") or "null"
        for c in _containers(given)
        for e in c.get("mountPoints") or ()
    )
    return next((name for name in used if name not in known), None)


def _wrong_file_system(given: Params) -> Any:
    for each in given.get("volumes") or ():
        volume = each.get("efsVolumeConfiguration") or {}
        login = volume.get("authorizationConfig") or {}
        point, iam = login.get("accessPointId"), login.get("iam") == "ENABLED"
        if (point or iam) and volume.get("transitEncryption") != "ENABLED":
            return each["name"]
        if point and volume.get("rootDirectory") not in (None, "/"):
            return each["name"]
    return None


def _other_ports(_: Params, container: Params) -> bool:
    return any(
        mapping.get("hostPort") not in (None, 0, mapping.get("containerPort"))
        for mapping in container.get("portMappings") or ()
    )


def _linux(container: Params) -> Params:
    return container.get("linuxParameters") or {}


def _firelens(container: Params) -> Any:
    return container.get("firelensConfiguration")


def _cycle(given: Params) -> str | None:
    """Return a container that waits for itself by way of others."""
    left = {
        container["name"]: {other["containerName"] for other in container.get("dependsOn") or ()}
        for container in _containers(given)
    }
    while free := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in free:
            del left[name]
    return next(iter(left), None)


# fmt: off
REFUSALS: Refusals = {
    # Messages of ports, CPU, options of logs: klothoplatform/klotho issue 892; of dependencies: boto/boto3 issue 2436.
    "ecs RegisterTaskDefinition": (
        (CLIENT, "No Fargate configuration exists for given values.", lambda p: _fargate(p) and not fits_fargate(p)),
        (CLIENT, "Fargate only supports network mode \u2018awsvpc\u2019.",
         lambda p: _fargate(p) and p.get("networkMode") != "awsvpc"),
        (CLIENT, f"{ROLE}log driver awslogs.", _roleless(lambda c: _logs_to(c) == "awslogs")),
        (CLIENT, f"{ROLE}ECR images.", _roleless(lambda c: ".dkr.ecr." in str(c.get("image")))),
        (CLIENT, f"{ROLE}private registries and files of variables.",
         _roleless(lambda c: c.get("repositoryCredentials") or c.get("environmentFiles"))),
        (CLIENT, "Fargate runs Windows with 1 vCPU or more, and X86_64 only.", lambda p: _fargate(p) and (
            (place := p.get("runtimePlatform") or {}).get("operatingSystemFamily", "").startswith("WINDOWS")
            and (units(p.get("cpu")) < 1024 or place.get("cpuArchitecture") == "ARM64"))),
        # API reference, EFSAuthorizationConfig
        (CLIENT, "The volume {} needs transit encryption for its access point or IAM authorization, and the root "
         "directory / for an access point.", _wrong_file_system),
        (CLIENT, "The proxy's container {} is not part of the task definition.", lambda p: (
            (name := (p.get("proxyConfiguration") or {}).get("containerName"))
            and name not in [c["name"] for c in _containers(p)] and name)),
        (CLIENT, "The port range of the container {} is none.", _any(lambda _, c: any(
            int(ends[0]) > int(ends[1]) for e in c.get("portMappings") or ()
            if (ends := str(e.get("containerPortRange") or "0-0").split("-"))))),
        (CLIENT, "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
         lambda p: not p.get("executionRoleArn") and any(c.get("secrets") for c in _containers(p))),
        (CLIENT, f"The stopTimeout of the container {{}} must be at most {LONGEST_STOP} seconds on Fargate.",
         _any(lambda p, c: _fargate(p) and int(c.get("stopTimeout") or 0) > LONGEST_STOP)),
        (CLIENT, "The container name {} is used more than once.", lambda p: twice(c["name"] for c in _containers(p))),
        (CLIENT, "At least one container must be marked as essential.",
         lambda p: not any(c.get("essential", True) for c in _containers(p))),
        (CLIENT, "A container depends on one that is not part of the task definition.",
         lambda p: any(container is None for _, container in _dependencies(p))),
        (CLIENT, "A container that others wait for as HEALTHY must have a health check.",
         lambda p: any(how == "HEALTHY" and not (c or {}).get("healthCheck") for how, c in _dependencies(p))),
        (CLIENT, "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container",
         lambda p: any(how in ENDED and (c or {}).get("essential", True) for how, c in _dependencies(p))),
        (CLIENT, "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
         lambda p: p.get("networkMode") == "awsvpc" and _any(_other_ports)(p)),
        (CLIENT, "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'.",
         lambda p: 0 < units(p.get("cpu")) < sum(int(c.get("cpu") or 0) for c in _containers(p))),
        (CLIENT, "Invalid setting for container '{}'. Its memory is greater than that of the task.",
         _any(lambda p, c: 0 < units(p.get("memory")) < max(
             int(c.get(name) or 0) for name in ("memory", "memoryReservation")))),
        (CLIENT, "Invalid setting for container '{}'. memoryReservation must be less than memory.",
         _any(lambda _, c: 0 < (c.get("memory") or 0) <= (c.get("memoryReservation") or 0))),
        (CLIENT, "A mount point of the container {} has no container path.",  # the words are ours
         _any(lambda _, c: any(not e.get("containerPath") for e in c.get("mountPoints") or ()))),
        (CLIENT, "Unknown volume '{0[0]}'.", lambda p: (name := _unknown_volume(p)) is not None and [name]),
        (CLIENT, "Log driver awslogs disallows an option of the container {}.", _any(lambda _, c: (
            _logs_to(c) == "awslogs" and any(other_than(LOG_OPTION, name) for name in _options(c))))),
        (CLIENT, "A ulimit's soft limit is above its hard limit in the container {}.", _any(lambda _, c: any(
            ulimit["softLimit"] > ulimit["hardLimit"] for ulimit in c.get("ulimits") or ()))),
        (CLIENT, "The log driver's mode of the container {} must be blocking or non-blocking.", _any(lambda _, c: (
            other_than("(non-)?blocking", _options(c).get("mode"))))),
        (CLIENT, "awsfirelens needs a container with a firelensConfiguration.", lambda p: any(
            _logs_to(c) == "awsfirelens" for c in _containers(p)) and not any(map(_firelens, _containers(p)))),
        (CLIENT, "The container {} can't have both awslogs-datetime-format and awslogs-multiline-pattern.",
         _any(lambda _, c: {"awslogs-datetime-format", "awslogs-multiline-pattern"} <= _options(c).keys())),
        (CLIENT, "Only one container may have a firelensConfiguration.",  # developer guide, "Using FireLens"
         lambda p: len([*filter(_firelens, _containers(p))]) > 1),
        (CLIENT, "volumesFrom names a container that does not exist: {}.", _any(lambda p, c: (
            {e.get("sourceContainer") for e in c.get("volumesFrom") or ()} - {e["name"] for e in _containers(p)}))),
        (CLIENT, "Log driver awslogs requires options: awslogs-region, awslogs-group",
         _any(_lacks("awslogs-region", "awslogs-group"))),
        # aws/aws-cdk issue 1422
        (CLIENT, "Fargate requires log configuration options to include awslogs-stream-prefix to support log driver "
         "awslogs.", lambda p: _fargate(p) and _any(_lacks("awslogs-stream-prefix"))(p)),
        (CLIENT, "A health check of the container {} must begin with CMD or CMD-SHELL.",
         _any(lambda _, c: c.get("healthCheck") and c["healthCheck"]["command"][:1] not in (["CMD"], ["CMD-SHELL"]))),
        (CLIENT, "Invalid 'containerDefinitions' size: at least one container is needed", lambda p: not _containers(p)),
        (CLIENT, "An environment variable of the container {} has no name.", _any(lambda _, c: any(
            not variable.get("name") for variable in c.get("environment") or ()))),
        (CLIENT, "The container {} needs an image.", _any(lambda _, c: not c.get("image"))),
        (CLIENT, "Duplicate port mapping {}.", lambda p: twice(
            (e.get("containerPort"), e.get("protocol") or "tcp") for c in _containers(p)
            for e in c.get("portMappings") or ())),
        (CLIENT, "Duplicate volume {}.", lambda p: twice(volume.get("name") for volume in p.get("volumes") or ())),
        (CLIENT, "The secret name must be unique and not shared with any new or existing environment variables set on "
         "the container {}.", _any(lambda _, c: twice(
             [e["name"] for e in c.get("secrets") or ()] + [*{e["name"] for e in c.get("environment") or ()}]))),
        (CLIENT, "The dependencies of the containers form a cycle.", _cycle),
        # ECS developer guide, "Fargate task definition differences"; its log drivers and ulimits, too.
        (CLIENT, "Fargate does not support a parameter of the container {}.", _any(
            lambda p, c: _fargate(p) and any(c.get(parameter) for parameter in NOT_ON_FARGATE))),
        (CLIENT, "Fargate does not support this log driver: {}.", _any(lambda p, c: (
            _fargate(p) and _logs_to(c) not in ("None", "awslogs", "awsfirelens", "splunk")))),
        (CLIENT, "Fargate only supports the ulimit nofile, not another one of the container {}.", _any(
            lambda p, c: _fargate(p) and any(ulimit["name"] != "nofile" for ulimit in c.get("ulimits") or ()))),
        (CLIENT, "Fargate only supports adding the capability SYS_PTRACE to the container {}.", _any(
            lambda p, c: _fargate(p) and {*((_linux(c).get("capabilities") or {}).get("add") or ())} - {"SYS_PTRACE"})),
        (CLIENT, "Fargate does not support linuxParameters of the container {}.", _any(lambda p, c: (
            _fargate(p) and _linux(c).keys() & {"devices", "maxSwap", "sharedMemorySize", "swappiness"}))),
        (CLIENT, "Fargate does not support placementConstraints, ipcMode or the host's pidMode.", lambda p: (
            _fargate(p) and (p.get("placementConstraints") or p.get("ipcMode") or p.get("pidMode") == "host"))),
        (CLIENT, "Fargate does not support the volume {} with a path of the host.", lambda p: _fargate(p) and next(
            (e["name"] for e in p.get("volumes") or ()
             if (e.get("host") or {}).get("sourcePath") or e.get("dockerVolumeConfiguration")), None)),
        # API reference, RegisterTaskDefinition: a task definition has at most 64 KiB (service quotas of ECS).
        (CLIENT, "Actual length: '{}'. Max allowed length is '65536' bytes.",
         lambda p: (size := len(json.dumps(p).encode())) > 65536 and size),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""
