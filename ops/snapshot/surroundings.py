"""What a service stands on: network, roles, image, secrets, log, database, alarms, quota."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network
from typing import Any

from ops.paused import Pause


@dataclass(frozen=True, kw_only=True)
class Permission:
    """One security-group rule. Protocol "-1" is all traffic, and then the ports mean nothing."""

    protocol: str
    first: int | None = None
    last: int | None = None
    networks: tuple[IPv4Network, ...] = ()
    groups: tuple[str, ...] = ()
    prefix_lists: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Group:
    """A security group."""

    id: str
    name: str
    ingress: tuple[Permission, ...] = ()
    egress: tuple[Permission, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route: ``kind`` is local, nat, igw or other; ``state`` is active or blackhole."""

    destination: IPv4Network
    kind: str
    target: str
    state: str = "active"


@dataclass(frozen=True, kw_only=True)
class AclEntry:
    """A network ACL's rule for TCP, from port to port."""

    number: int
    allow: bool
    network: IPv4Network
    first: int = 0
    last: int = 65535


@dataclass(frozen=True, kw_only=True)
class Acl:
    """A network ACL's rules for TCP, in the order of their numbers; the last one, "*", is not among them."""

    id: str
    ingress: tuple[AclEntry, ...] = ()
    egress: tuple[AclEntry, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Subnet:
    """A subnet with the routes and the network ACL that hold for it."""

    id: str
    name: str
    network: IPv4Network
    table: str = ""
    routes: tuple[Route, ...] = ()
    free: int = 0
    acl: Acl | None = None


@dataclass(frozen=True, kw_only=True)
class Nat:
    """A NAT gateway."""

    id: str
    state: str
    subnet: str
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An interface endpoint: an AWS service's door inside the VPC."""

    service: str
    state: str
    private_dns: bool
    subnets: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Network:
    """The VPC. ``public`` are the network interfaces that have a public address, by id."""

    groups: Mapping[str, Group] = field(default_factory=dict)
    subnets: Mapping[str, Subnet] = field(default_factory=dict)
    nats: Mapping[str, Nat] = field(default_factory=dict)
    endpoints: tuple[Endpoint, ...] = ()
    interfaces: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Role:
    """An IAM role: who may take it, and its identity policies, inline and attached."""

    arn: str
    trust: Mapping[str, Any]
    policies: tuple[Mapping[str, Any], ...] = ()
    boundary: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A secret without its value. ``keys`` are the names in its JSON, None where nobody looked."""

    arn: str
    deleted: datetime | None = None
    managed: str = ""
    kms_key: str = ""
    rotated: datetime | None = None
    keys: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Image:
    """What the repository holds of the wanted image. Platforms like linux/amd64."""

    repository: str
    present: bool
    tags: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    pushed: datetime | None = None
    size: int = 0


@dataclass(frozen=True)
class Line:
    """A log line."""

    at: datetime
    text: str


@dataclass(frozen=True, kw_only=True)
class Logs:
    """The log group, and the lines of tasks by task id: the first few and the last ones.

    ``resumed`` is with which time a task's last lines begin, where not all before them were read.
    """

    group: str
    exists: bool
    lines: Mapping[str, tuple[Line, ...]] = field(default_factory=dict)
    resumed: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Database:
    """The DB instance. ``force_ssl`` is None where its parameters could not be read.

    ``replicas`` are its read replicas, ``source`` is whose replica it is; ``starts`` is when AWS
    starts it by itself again; ``pause`` is there while the stack is paused; ``authority`` is RDS's
    identifier of the CA that signs its certificate.
    """

    id: str
    status: str
    address: str
    port: int
    name: str
    user: str
    version: str
    kind: str
    multi_az: bool = False
    groups: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    secret: str = ""
    force_ssl: bool | None = None
    storage_gb: int = 0
    events: tuple[Line, ...] = ()
    arn: str = ""
    replicas: tuple[str, ...] = ()
    source: str = ""
    starts: datetime | None = None
    pause: Pause | None = None
    authority: str = ""


@dataclass(frozen=True)
class Minute:
    """A minute of a target group: how many requests it got, and how many its targets answered with 5xx."""

    at: datetime
    requests: int
    failed: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What CloudWatch has counted: the last minutes, oldest first, and the database's connections."""

    minutes: tuple[Minute, ...] = ()
    connections: int | None = None


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A CloudWatch alarm."""

    name: str
    state: str
    reason: str
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Quota:
    """The vCPUs that Fargate may run in the region at once, of one kind: On-Demand or Spot.

    ``elsewhere`` are those that other tasks than this service's have now.
    """

    limit: float
    elsewhere: float = 0
    code: str = "L-3032A538"
