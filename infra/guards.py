"""Guards of the whole stack: permissions boundary, unchangeable settings, protection from destroy."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from careapp.settings.allowed_cidrs import RULES_QUOTA, USUAL_RULES, weight
from careapp.settings.network import choose_zones
from careapp.settings.settings import KEYS, Settings
from careapp.settings.shifting import ROLLING
from ecs_gate.text import Refused, Text, joined, t, text_of

from . import config
from .component import Component


def begin(settings: Settings) -> dict[str, Any]:
    """Prepare the stack before its first resource, and return the unchangeable settings, to be exported.

    Raises RunError when one of them was changed, or allowedCidrs needs more rules than the account may have.
    """
    pulumi.runtime.register_stack_transformation(adding_tags(settings.tags))
    _set_permissions_boundary(settings.boundary)
    try:
        _refuse_too_many_rules(settings)
        return _refuse_impossible_changes(settings)
    except Refused as refusal:
        raise pulumi.RunError(str(refusal.text)) from refusal


def _refuse_too_many_rules(settings: Settings) -> None:
    """Raise Refused where allowedCidrs does not fit into one security group, or names an unusable prefix list."""
    ports = list(settings.https.ports.values())
    count = settings.allowed.rules(_weight) * len(ports)
    if count <= USUAL_RULES:
        return
    service, code = RULES_QUOTA
    try:
        service_quota = aws.servicequotas.get_service_quota(service_code=service, quota_code=code)
    except Exception as problem:
        message = t(
            "allowedCidrs needs {count} inbound rules, and the quota of a security group, usually {usual}, could not "
            "be read: {why}",
            count=count,
            usual=USUAL_RULES,
            why=str(problem).rpartition(": ")[2],
        )
        pulumi.log.warn(str(message))
        return
    if count > (quota := int(service_quota.value)):
        raise Refused(
            "allowedCidrs needs {count} inbound rules of the load balancer's security group (each entry one for each "
            "of the ports {ports}, a prefix list as many as its maximum number of entries), and the account's quota "
            "is {quota}. Nothing was changed. Give fewer entries, or request more: aws service-quotas "
            "request-service-quota-increase --service-code {service} --quota-code {code} --desired-value {count}",
            count=count,
            ports=", ".join(map(str, ports)),
            quota=quota,
            service=service,
            code=code,
        )


def _weight(prefix_list: str) -> int:
    """Return how many rules a prefix list counts for. Raises Refused where no rule can use it."""
    try:
        prefixes = aws.ec2.get_managed_prefix_list(id=prefix_list)
    except Exception as problem:
        raise Refused(
            "allowedCidrs: the prefix list {id} cannot be read: {why}. Nothing was changed. `aws ec2 "
            "describe-managed-prefix-lists` shows those of the region.",
            id=prefix_list,
            why=str(problem).rpartition(": ")[2],
        ) from problem
    if prefixes.address_family != "IPv4":
        raise Refused(
            "allowedCidrs: the prefix list {id} has IPv6 ranges, and the load balancer has IPv4 addresses only. "
            "Nothing was changed. Delete the entry.",
            id=prefix_list,
        )
    return weight(prefixes.name, prefixes.max_entries)


def _refuse_impossible_changes(settings: Settings) -> dict[str, Any]:
    """Return the unchangeable settings. Raises Refused when one of them was changed.

    The error comes before anything is changed. AWS would refuse in the middle of the update: a DB
    subnet group cannot move to another VPC (terraform-provider-aws#27459), a subnet's range is in use
    until the old one is deleted, and storage cannot shrink (RDS user guide, "Increasing DB instance
    storage capacity"). Another region would replace everything, the database too. A zone can be added
    at the end, and removed again.
    """
    last = config.outputs()
    kept: dict[str, Any] = last.get("kept") or {}
    if moved := _moved(settings.region, kept.get("zones", [])):
        raise Refused(moved)
    new: dict[str, Any] = {
        "vpcCidr": str(settings.network.cidr),
        "zones": _zones(settings, kept.get("zones", [])),
        "databaseStorageGb": settings.database.storage_gb,
    }
    if settings.protected:
        new["protected"] = settings.protected
    old = kept or new
    problems: list[Text] = []
    if new["vpcCidr"] != old["vpcCidr"]:
        problems.append(_cannot_change("vpcCidr", new["vpcCidr"], old["vpcCidr"]))
    if any(zone != former for zone, former in zip(new["zones"], old["zones"], strict=False)):
        problems.append(_cannot_change("zones", ",".join(new["zones"]), ",".join(old["zones"])))
    if new["databaseStorageGb"] < (size := int(old["databaseStorageGb"])):
        problems.append(
            t(
                "databaseStorageGb: {new} is refused: this stack has {old} GiB, and RDS can only enlarge "
                "storage. Nothing was changed. `pulumi config set databaseStorageGb {old}` restores the value.",
                new=new["databaseStorageGb"],
                old=size,
            )
        )
    problems += _losses(settings, old.get("protected", ()))
    if settings.ecs_enabled:
        new |= _entrance(settings)
        if last.get("stage") == 2:
            problems += _entrance_problems(new, old)
    if problems:
        raise Refused(joined("\n", problems))
    return new


def _losses(settings: Settings, protected: Collection[str]) -> Iterator[Text]:
    """Yield what is refused because it would delete something that the last update protected.

    The engine refuses to delete a protected resource, too, but only after everything around it: where no preview came
    first it has then updated the service and deleted alarms, roles and other dependents.
    """
    for key in KEYS:
        lost = key.change.loses
        if lost and key.name in protected and settings.texts[key.name] != "true":
            yield t(
                "{key}: false is refused: it would delete {what}, which `protect` protects. Nothing was changed. "
                "`pulumi config set {key} true` restores the value. To delete it: restore the value, `pulumi config "
                "set protect false` and `pulumi up`, then `pulumi config set {key} false` and `pulumi up`.",
                key=key.name,
                what=lost,
            )


def _moved(region: str, kept: Sequence[str]) -> Text | None:
    """Return what is refused if the stack's zones, ``kept``, are of another region."""
    former = {zone[:-1] for zone in kept} - {region}  # a zone's name is its region's and a letter
    return _cannot_change("aws:region", region, former.pop()) if former else None


def _zones(settings: Settings, kept: Sequence[str]) -> list[str]:
    """Return the stack's zones. Raises Refused for zones that the account does not have."""

    def offered() -> Sequence[str]:
        # Not Local Zones, which have other names and do not offer RDS's and ELB's classes.
        return aws.get_availability_zones(
            state="available", filters=[{"name": "zone-type", "values": ["availability-zone"]}]
        ).names

    try:
        return list(choose_zones(settings.network, settings.region, kept, offered))
    except ValueError as problem:
        why = text_of(problem)
        raise Refused("{key}: {why}. Nothing was changed.", key="zones", why=why) from problem


def _entrance(settings: Settings) -> dict[str, Any]:
    """Return what cannot change while a service runs whose strategy shifts requests; {} for `rolling`."""
    deployment = settings.service.deployment
    if not deployment.shifts:
        return {}
    return {"deployStrategy": deployment.strategy, "https": settings.https.enabled}


def _entrance_problems(new: dict[str, Any], old: dict[str, Any]) -> list[Text]:
    """Return what is refused while the service runs.

    Between `rolling` and the others the listener rule changes: Pulumi would point it to the first target
    group, and the tasks may be in the other one. ECS migrates a service only in two updates (ECS developer guide,
    "Update the Amazon ECS deployment strategy"). HTTPS replaces the rule, with the same effect.
    """
    before, after = (inputs.get("deployStrategy", ROLLING) for inputs in (old, new))
    problems: list[Text] = []
    if before != after and ROLLING in (before, after):
        problems.append(_cannot_change_running("deployStrategy", after, before))
    elif after != ROLLING and new["https"] != old["https"]:
        problems.append(
            t(
                "HTTPS cannot be turned on or off while a service with deployStrategy {strategy} runs: the "
                "new listener rule would forward to a target group without tasks. Nothing was changed. "
                "{way}",
                strategy=after,
                way=_WITHOUT_SERVICE,
            )
        )
    return problems


def _cannot_change(key: str, new: str | int, old: str | int) -> Text:
    return t(
        "{key}: {new} is refused: this stack has {old}, and AWS cannot change it while the database "
        "exists. Nothing was changed. `pulumi config set {key} {old}` restores the value. For another "
        "value run `pulumi destroy` first.",
        key=key,
        new=new,
        old=old,
    )


_WITHOUT_SERVICE = t(
    "First `pulumi config set ecsEnabled false` and `pulumi up` (with protect true, first "
    "`pulumi config set protect false` and `pulumi up`), then change it, `pulumi config set ecsEnabled "
    "true` and `pulumi up`: meanwhile the page answers 503."
)


def _cannot_change_running(key: str, new: str, old: str) -> Text:
    return t(
        "{key}: {new} is refused while the service runs with {old}: the listener rule would forward to a "
        "target group without tasks. Nothing was changed. `pulumi config set {key} {old}` restores the "
        "value. {way}",
        key=key,
        new=new,
        old=old,
        way=_WITHOUT_SERVICE,
    )


class Protection(Component):
    """A protected resource that depends on every component, so that a refused destroy deletes nothing.

    `pulumi destroy` deletes dependents first and refuses a protected resource, but continues with
    resources that are not protected. Those exist, because a change of a setting may delete them. A
    resource that another one depends on is not deleted.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        parts: Sequence[pulumi.Resource],
        routes: pulumi.Output[list[pulumi.Resource]],
    ) -> None:
        opts = pulumi.ResourceOptions(depends_on=routes.apply(lambda made: [*parts, *made]))
        super().__init__(name, settings, opts, protect=settings.protect)
        self.register_outputs({})


def adding_tags(tags: Mapping[str, str]) -> pulumi.ResourceTransformation:
    """Return the transformation that gives the stack's tags to every resource of AWS that can have tags.

    A class that can has ``tags_all``; an Auto Scaling group, whose ``tags`` are a list, has not. The resource's own
    tags win. As a transformation of the stack, the program cannot create a resource without them: the delivery's
    roles are allowed to change what has them. awsx's VPC gives its tags to its children, which this does not reach.
    """

    def merge(own: Mapping[str, Any] | None) -> dict[str, Any]:
        return {**tags, **(own or {})}

    def add_tags(
        args: pulumi.ResourceTransformationArgs,
    ) -> pulumi.ResourceTransformationResult | None:
        if not hasattr(type(args.resource), "tags_all"):
            return None
        own: Any = args.props.get("tags")
        merged = own.apply(merge) if isinstance(own, pulumi.Output) else merge(own)
        return pulumi.ResourceTransformationResult({**args.props, "tags": merged}, args.opts)

    return add_tags


ROLE = "aws:iam/role:Role"


def _set_permissions_boundary(policy: str) -> None:
    """Set the account's IAM policy of this name as permissions boundary of every role of the stack.

    It is a transformation of the stack, so that the program cannot create a role without it. It does not reach
    the children of awsx components; the one in use, awsx.ec2.Vpc, creates no role. An empty name sets no boundary.
    """
    if not policy:
        return
    account = aws.get_caller_identity_output().account_id
    arn = account.apply(lambda known: f"arn:aws:iam::{known}:policy/{policy}")

    def add_boundary(
        args: pulumi.ResourceTransformationArgs,
    ) -> pulumi.ResourceTransformationResult | None:
        if args.type_ != ROLE:
            return None
        return pulumi.ResourceTransformationResult(
            {**args.props, "permissions_boundary": arn}, args.opts
        )

    pulumi.runtime.register_stack_transformation(add_boundary)
