"""Members that AWS always sends and moto leaves out or has otherwise: a row says where a member's value comes from.

Their source, where no other is named, are AWS's recorded answers (``tests/recordings``), and the API
references' defaults.
"""

import re
from collections.abc import Callable, Mapping
from copy import copy
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.core.serialize import AttributePicker, AttributePickerContext
from moto.ecs.responses import EC2ContainerServiceResponse

from local_cloud.aws.hooks import Params, backend, instead, registry
from local_cloud.aws.rds.offers import gp3
from local_cloud.aws.recorded.attributes import required

Value = Callable[[Any, Any], Any]
"""Returns a member of one of moto's objects, which is given with the value that moto has: None for none."""
_pick = AttributePicker.__call__
_register = EC2ContainerServiceResponse.register_task_definition


def install() -> None:
    """Complete what moto serializes. A second call changes nothing."""
    AttributePicker.__call__ = _completed  # type: ignore[method-assign,assignment]
    EC2ContainerServiceResponse.register_task_definition = _registered  # type: ignore[method-assign,assignment]


def _registered(response: EC2ContainerServiceResponse) -> ActionResult:
    """Keep when and by whom a task definition was registered, and its ports' defaults, before it is answered."""
    answer: Any = _register(response)
    made, key = answer.result["taskDefinition"], response.get_access_key()
    made.registered_at = datetime.now(UTC)
    made.registered_by = backend("sts").get_caller_identity(key, response.region)[1]
    for container in made.container_definitions if made.network_mode == "awsvpc" else ():
        for port in container["portMappings"]:
            port["hostPort"] = port["containerPort"]
    return answer  # type: ignore[no-any-return]


def _completed(picker: AttributePicker, context: AttributePickerContext) -> Any:
    value = _pick(picker, context)
    structure = getattr(context.shape, "parent", None)
    if structure is None or context.service_model is None:
        return value
    name = f"{context.service_model.service_name} {structure.name}.{context.key}"
    return MEMBERS[name](context.obj, value) if name in MEMBERS else value


def _or(default: Any) -> Value:
    return lambda _, value: default if value is None else value


def _ends_with_instance(attachment: Any, _: Any) -> bool:
    """Return whether a volume is deleted with its instance; one that was attached later is not (EC2, AttachVolume)."""
    volume, instance = (getattr(attachment, name, None) for name in ("volume_id", "instance"))
    devices = instance.block_device_mapping.values() if instance else ()
    return any(device.delete_on_termination for device in devices if device.volume_id == volume)


def _vpc(database: Any) -> str | None:
    """Return the id of a database's VPC, which is the default one without a subnet group (RDS, CreateDBInstance)."""
    found = getattr(database, "db_subnet_group", None) or backend("ec2").get_default_vpc()
    return getattr(found, "vpc_id", None) or getattr(found, "id", None)


def _is_public(database: Any, value: Any) -> bool:
    """Return whether a database is public, by default if its VPC has an internet gateway (RDS, CreateDBInstance)."""
    filters = {"attachment.vpc-id": [_vpc(database)]}
    return (
        bool(backend("ec2").describe_internet_gateways(filters=filters)) if value is None else value
    )


def _tasks(*statuses: str) -> Value:
    def count(cluster: Any, _: Any) -> int:
        tasks = backend("ecs").tasks.get(cluster.name, {}).values()
        return sum(getattr(task, "last_status", None) in statuses for task in tasks)

    return count


def _services(status: str) -> Value:
    return lambda cluster, _: sum(
        service.cluster_name == cluster.name and service.status == status
        for service in backend("ecs").services.values()
    )


@instead("ecs", "DescribeClusters")
def describe_clusters(params: Params) -> Params:
    """Return clusters with their tags and statistics where the call asks for them (API reference, Cluster)."""
    found, failures = backend("ecs").describe_clusters(params.get("clusters") or [])
    clusters, wanted = [copy(cluster) for cluster in found], params.get("include") or ()
    for cluster in clusters:
        cluster.tags = cluster.tags if "TAGS" in wanted else []
        if "STATISTICS" in wanted:
            counts = {name: count(cluster, None) for name, count in COUNTS.items()}
            counts |= {name.replace("Fargate", "EC2"): 0 for name in counts}
            cluster.statistics = [{"name": k, "value": str(v)} for k, v in counts.items()]
    return {"clusters": clusters, "failures": failures}


def _group(_: Any, name: str | None) -> str | None:
    """Return an option group's name: of PostgreSQL's default ones it has the major version, moto's the minor, too."""
    return name and re.sub(r"(default:postgres-\d+)-.*", r"\1", name)


def _key(_: Any, name: str | None) -> str | None:
    """Return the ARN of a database's key: without another one AWS's own for RDS, of which moto has no ARN."""
    return backend("kms").describe_key("alias/aws/rds").arn if name == DEFAULT_KEY else name


DEFAULT_KEY = "default_kms_key_id"
COUNTS: Mapping[str, Value] = {
    "activeFargateServiceCount": _services("ACTIVE"),
    "drainingFargateServiceCount": _services("DRAINING"),
    "pendingFargateTasksCount": _tasks("PROVISIONING", "PENDING"),
    "runningFargateTasksCount": _tasks("RUNNING"),
}
"""A cluster's statistics. Those of EC2 are 0: tasks run on Fargate only."""
LICENSES = {"postgres": "postgresql-license"}
"""RDS, CreateDBInstance, LicenseModel."""
UNPAGED = "GetGroup ListAccountAliases ListGroupPolicies ListGroups ListInstanceProfiles ListSSHPublicKeys"
MEMBERS: Mapping[str, Value] = {
    "ec2 Address.NetworkBorderGroup": lambda *_: registry.region,
    "ec2 Address.PublicIpv4Pool": _or("amazon"),
    "ec2 InstanceNetworkInterface.Association": lambda _, value: value or None,
    "ec2 NetworkInterface.Association": lambda _, value: value or None,
    "ec2 HibernationOptions.Configured": _or(False),
    "ec2 Instance.PublicDnsName": _or(""),
    "ec2 RouteTable.PropagatingVgws": _or([]),  # moto has no propagation
    "ec2 ServiceDetail.ServiceRegion": lambda *_: registry.region,
    "ec2 Volume.SnapshotId": _or(""),
    "ec2 Volume.Throughput": lambda volume, value: (
        value or (125 if volume.volume_type == "gp3" else None)
    ),
    "ec2 VolumeAttachment.DeleteOnTermination": _ends_with_instance,
    "ec2 VpcEndpoint.VpcEndpointType": _or("Gateway"),
    "ecs AwsVpcConfiguration.assignPublicIp": _or("DISABLED"),
    "ecs Cluster.activeServicesCount": COUNTS["activeFargateServiceCount"],
    "ecs Cluster.pendingTasksCount": COUNTS["pendingFargateTasksCount"],
    "ecs Cluster.runningTasksCount": COUNTS["runningFargateTasksCount"],
    "ecs Cluster.statistics": _or([]),
    "ecs PortMapping.protocol": _or("tcp"),
    "ecs Service.launchType": lambda service, value: (
        None if getattr(service, "capacity_provider_strategy", None) else value
    ),
    "ecs Service.placementConstraints": _or([]),
    "ecs Service.placementStrategy": _or([]),
    "ecs TaskDefinition.requiresAttributes": lambda definition, _: required(definition),
    "elbv2 AuthenticateOidcActionConfig.ClientSecret": lambda *_: None,  # ELB never describes it
    "elbv2 Listener.SslPolicy": lambda listener, value: (
        value if listener.protocol in ("HTTPS", "TLS") else None
    ),
    "iam Policy.PermissionsBoundaryUsageCount": lambda policy, _: sum(
        role.permissions_boundary_arn == policy.arn for role in backend("iam").roles.values()
    ),
    "rds DBInstance.BackupTarget": _or("region"),
    "rds DBInstance.DatabaseInsightsMode": _or("standard"),
    "rds DBInstance.Iops": gp3(0),
    "rds DBInstance.KmsKeyId": _key,
    "rds DBInstance.LicenseModel": lambda database, value: LICENSES.get(database.engine, value),
    "rds DBInstance.NetworkType": _or("IPV4"),
    "rds DBInstance.PendingModifiedValues": _or({}),
    "rds DBInstance.PubliclyAccessible": _is_public,
    "rds DBInstance.StorageThroughput": gp3(1),
    "rds OptionGroupMembership.OptionGroupName": _group,
    "rds DBSnapshot.AvailabilityZone": lambda snapshot, _: snapshot.database.availability_zone,
    "rds DBSnapshot.KmsKeyId": _key,
    "rds DBSnapshot.LicenseModel": lambda snapshot, value: LICENSES.get(snapshot.engine, value),
    "rds DBSnapshot.OptionGroupName": lambda snapshot, _: _group(
        None, snapshot.database.option_group_name
    ),
    "rds DBSnapshot.PercentProgress": lambda each, _: 100 if each.status == "available" else 0,
    "rds DBSnapshot.StorageType": lambda snapshot, _: snapshot.database.storage_type,
    "rds DBSnapshot.VpcId": lambda snapshot, _: _vpc(snapshot.database),
    **{f"iam {operation}Response.IsTruncated": _or(False) for operation in UNPAGED.split()},
}
"""The members by their service, structure and name."""
