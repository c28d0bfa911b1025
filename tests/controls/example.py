"""What an example of a control is, and how to write one down in a line."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from tests.controls import ec2, ecs, elb, identity, rds, storage
from tests.controls.graph import Graph, Resource


@dataclass(frozen=True)
class Example:
    """A graph that meets a control, and one that differs from it in what the control asks."""

    good: Graph
    bad: Graph


def one(kind: str, **inputs: Any) -> Resource:
    """A resource that others point at as `it`."""
    return Resource(kind, "it", inputs, ("it",))


def changed(resource: Resource, *others: Resource, **inputs: Any) -> Example:
    """The first of the resources says something else."""
    worse = replace(resource, inputs={**resource.inputs, **inputs})
    return Example(Graph((resource, *others)), Graph((worse, *others)))


def without(needed: Resource, *others: Resource) -> Example:
    """The first of the resources is missing."""
    return Example(Graph((needed, *others)), Graph(others))


def container(good: dict[str, Any], bad: dict[str, Any], **inputs: Any) -> Example:
    """Two task definitions; of the bad one, the second of two containers is at fault."""
    fine, worse = json.dumps([good, good]), json.dumps([good, bad])
    task = one(ecs.TASK, containerDefinitions=fine, **inputs)
    return changed(task, containerDefinitions=worse)


def policy(*allowed: str, resource: str = "arn:aws:s3:::it/*", **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": [*allowed], "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def tls_only(condition: str) -> str:
    return policy("s3:*", Effect="Deny", Principal="*", Condition={"Bool": {condition: "false"}})


def database(**inputs: Any) -> Resource:
    return one(rds.INSTANCE, engine="postgres", **inputs)


def rule(**inputs: Any) -> Resource:
    return one(ec2.RULE, **{"securityGroupId": "it", "ipProtocol": "tcp"}, **inputs)


def events(source: str, *categories: str) -> Example:
    return changed(
        one(rds.SUBSCRIPTION, sourceType=source, eventCategories=[*categories]),
        eventCategories=["availability"],
    )


def endpoint(service: str) -> Example:
    return changed(
        one(ec2.ENDPOINT, vpcId="it", serviceName=f"com.amazonaws.x.{service}"),
        VPC,
        serviceName=f"com.amazonaws.x.{service}.other",
    )


def inline(good: str, bad: str, kind: str = identity.INLINE[0]) -> Example:
    return changed(one(kind, policy=good), policy=bad)


VPC = one(ec2.VPC)
GROUP = one(ec2.GROUP)
BUCKET = one(storage.BUCKET)
BLOCKED = {key: True for key in (*storage.ACLS, *storage.POLICIES)}
LISTENER = one(elb.LISTENER, protocol="HTTP", defaultActions=[{"redirect": {"protocol": "HTTPS"}}])
ZONES = tuple(
    Resource("aws:ec2/subnet:Subnet", zone, {"availabilityZone": zone}, (zone,))
    for zone in ("a", "b")
)
PUBLIC = {"destinationCidrBlock": "0.0.0.0/0", "routeTableId": "t"}
PLACED = (
    database(dbSubnetGroupName="it"),
    one("aws:rds/subnetGroup:SubnetGroup", subnetIds=["s"]),
    one("aws:ec2/routeTableAssociation:RouteTableAssociation", subnetId="s", routeTableId="t"),
)
BUCKET_RULES = one(storage.BUCKET_POLICY, bucket="it", policy=tls_only("aws:SecureTransport"))
MANAGED = (
    one(ec2.INSTANCE, iamInstanceProfile="it"),
    one("aws:iam/instanceProfile:InstanceProfile", role="r"),
)
SSM_RIGHT = "aws:iam/rolePolicy:RolePolicy"


def blocked() -> Example:
    return changed(one(storage.BLOCK, bucket="it", **BLOCKED), BUCKET, blockPublicPolicy=False)


def instance(good: dict[str, Any], bad: dict[str, Any]) -> Example:
    return changed(one(ec2.INSTANCE, **good), **bad)


def db(key: str, good: object, bad: object) -> Example:
    return changed(database(**{key: good}), **{key: bad})
