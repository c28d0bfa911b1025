"""The diagrams of docs/architecture.md, drawn from the resources that the program declares.

An arrow within the VPC is a security-group rule, one to a NAT gateway a route, one to an AWS service what
the task definition names: none is drawn by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.controls.graph import Graph, Resource, graph_of

BALANCER, LISTENER = "aws:lb/loadBalancer:LoadBalancer", "aws:lb/listener:Listener"
LISTENER_RULE, TARGETS = "aws:lb/listenerRule:ListenerRule", "aws:lb/targetGroup:TargetGroup"
SERVICE, TASK = "aws:ecs/service:Service", "aws:ecs/taskDefinition:TaskDefinition"
SCALING = "aws:appautoscaling/target:Target"
DATABASE, DATABASE_SUBNETS = "aws:rds/instance:Instance", "aws:rds/subnetGroup:SubnetGroup"
SUBNET, NAT, VPC = "aws:ec2/subnet:Subnet", "aws:ec2/natGateway:NatGateway", "aws:ec2/vpc:Vpc"
ROUTE, ROUTED = "aws:ec2/route:Route", "aws:ec2/routeTableAssociation:RouteTableAssociation"
REPOSITORY = "aws:ecr/repository:Repository"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"

STACKS = {
    "poc, stage 1": ("poc", "ecsEnabled=false"),
    "poc, stage 2": ("poc",),
    "prod, stage 2": ("prod",),
}
"""What is drawn: a stack file, and settings beside it."""


@dataclass(frozen=True)
class Box:
    """A node of the diagram: its key, its shape with the words in it, its security groups, its subnets."""

    key: str
    shape: str
    groups: tuple[str, ...]
    subnets: tuple[str, ...]


def diagrams() -> dict[str, str]:
    """Each diagram by its name, as Mermaid."""
    return {name: mermaid(graph_of(*words)) for name, words in STACKS.items()}


def mermaid(graph: Graph) -> str:
    """One stack's network, balancer, tasks, database and the ways between them."""
    boxes = [*_balancers(graph), *_tasks(graph), *_databases(graph), *_gateways(graph)]
    [vpc] = graph.of(VPC)
    lines = [
        "flowchart LR",
        'internet(("internet"))',
        f'subgraph vpc["VPC {vpc.inputs["cidrBlock"]}"]',
        *_subnets(graph, boxes),
        "end",
        *_services(graph),
        *_allowed(graph, boxes),
        *_ways_out(graph, boxes),
        *_used(graph),
        "classDef addresses fill:none,stroke:none",
    ]
    return "\n".join(lines) + "\n"


def _balancers(graph: Graph) -> Iterator[Box]:
    for balancer in graph.of(BALANCER):
        says = [_answer(graph, one) for one in graph.of(LISTENER)]
        words = ["Application Load Balancer", balancer.inputs["name"], *says]
        yield Box("alb", _box(words), _group_of(balancer), tuple(balancer.inputs["subnets"]))


def _answer(graph: Graph, listener: Resource) -> str:
    """What a listener does with a request: the rule that leads on, else its default."""
    name = f"{listener.inputs['protocol']} {int(listener.inputs['port'])}"
    for rule in graph.pointing_at(listener, LISTENER_RULE, "listenerArn"):
        [paths] = [one["pathPattern"]["values"] for one in rule.inputs["conditions"]]
        [group] = graph.of(TARGETS)
        return f"{name}: {', '.join(paths)} to {group.inputs['name']}"
    [action] = listener.inputs["defaultActions"]
    if response := action.get("fixedResponse"):
        return f"{name}: {response['statusCode']}, ECS is off"
    return f"{name}: {action['type']}"


def _tasks(graph: Graph) -> Iterator[Box]:
    for service in graph.of(SERVICE):
        [task] = graph.of(TASK)
        network = service.inputs["networkConfiguration"]
        words = ["ECS service on Fargate", service.inputs["name"], _count(graph, service)]
        words.append(f"{task.inputs['cpu']} CPU units, {task.inputs['memory']} MiB each")
        groups, subnets = tuple(network["securityGroups"]), tuple(network["subnets"])
        yield Box("tasks", _box(words), groups, subnets)


def _count(graph: Graph, service: Resource) -> str:
    for scaling in graph.of(SCALING):
        least, most = (int(scaling.inputs[key]) for key in ("minCapacity", "maxCapacity"))
        return f"{least} to {most} tasks"
    count = int(service.inputs["desiredCount"])
    return f"{count} task{'s' if count > 1 else ''}"


def _databases(graph: Graph) -> Iterator[Box]:
    [subnets] = graph.of(DATABASE_SUBNETS)
    for database in graph.of(DATABASE):
        given = database.inputs
        spread = "standby in another zone" if given["multiAz"] else "one zone"
        words = [
            f"RDS PostgreSQL {given['engineVersion']}",
            given["identifier"],
            f"{given['instanceClass']}, {int(given['allocatedStorage'])} GiB, {spread}",
        ]
        groups = tuple(given["vpcSecurityGroupIds"])
        yield Box("database", _box(words, "[(", ")]"), groups, tuple(subnets.inputs["subnetIds"]))


def _gateways(graph: Graph) -> Iterator[Box]:
    for number, gateway in enumerate(graph.of(NAT), 1):
        yield Box(f"nat{number}", _box(["NAT gateway"]), (), (gateway.inputs["subnetId"],))


def _subnets(graph: Graph, boxes: list[Box]) -> Iterator[str]:
    """The kinds of subnet, each with its addresses and what stands in it."""
    kinds: dict[str, list[Resource]] = {}
    for subnet in graph.of(SUBNET):
        kinds.setdefault(subnet.inputs["tags"]["SubnetType"].lower(), []).append(subnet)
    for kind, members in kinds.items():
        places = [
            f"{one.inputs['availabilityZone'][-2:]}: {one.inputs['cidrBlock']}" for one in members
        ]
        yield f'subgraph {kind}["{kind} subnets"]'
        yield f"{kind}-addresses{_box(places)}:::addresses"
        ids = {name for one in members for name in one.known_as}
        yield from (f"{box.key}{box.shape}" for box in boxes if ids & set(box.subnets))
        yield "end"


def _services(graph: Graph) -> Iterator[str]:
    [repository] = graph.of(REPOSITORY)
    yield f"ecr{_box(['ECR', repository.inputs['name']])}"
    if any(one.inputs.get("manageMasterUserPassword") for one in graph.of(DATABASE)):
        yield f"secrets{_box(['Secrets Manager', 'master password, made and rotated by RDS'])}"
        yield "database -. rotates .-> secrets"
    for container in _containers(graph):
        group = container["logConfiguration"]["options"]["awslogs-group"]
        yield f"logs{_box(['CloudWatch Logs', group])}"


def _allowed(graph: Graph, boxes: list[Box]) -> Iterator[str]:
    """The security groups' inbound rules: who may open a connection, to which port."""
    owner = {group: box.key for box in boxes for group in box.groups}
    for rule in sorted(graph.of(INGRESS), key=lambda one: one.name):
        given = rule.inputs
        source = owner.get(given.get("referencedSecurityGroupId", ""), "internet")
        target = owner[given["securityGroupId"]]
        checked = _checked(graph) if (source, target) == ("alb", "tasks") else ""
        yield f'{source} -- "TCP {int(given["fromPort"])}{checked}" --> {target}'


def _checked(graph: Graph) -> str:
    [group] = graph.of(TARGETS)
    return f", checked at {group.inputs['healthCheck']['path']}"


def _ways_out(graph: Graph, boxes: list[Box]) -> Iterator[str]:
    """From the tasks by the routes of their subnets, to the port that their outbound rules allow."""
    gateways = {name: f"nat{i}" for i, one in enumerate(graph.of(NAT), 1) for name in one.known_as}
    for box in boxes:
        if box.key != "tasks":
            continue
        ports = [
            str(int(rule.inputs["fromPort"]))
            for rule in graph.of(EGRESS)
            if rule.inputs["securityGroupId"] in box.groups and "cidrIpv4" in rule.inputs
        ]
        ways = {gateways.get(one.inputs.get("natGatewayId", ""), "") for one in _routes(graph, box)}
        for way in sorted(ways - {""}):
            yield f'tasks -- "TCP {", ".join(ports)}" --> {way}'
            yield f"{way} --> internet"


def _routes(graph: Graph, box: Box) -> Iterator[Resource]:
    tables = {
        one.inputs["routeTableId"]
        for one in graph.of(ROUTED)
        if one.inputs["subnetId"] in box.subnets
    }
    return (one for one in graph.of(ROUTE) if one.inputs["routeTableId"] in tables)


def _used(graph: Graph) -> Iterator[str]:
    for container in _containers(graph):
        yield "tasks -. image .-> ecr"
        names = ", ".join(secret["name"] for secret in container["secrets"])
        yield f"tasks -. {names} .-> secrets"
        yield "tasks -. log .-> logs"


def _containers(graph: Graph) -> list[dict[str, Any]]:
    return [
        one for task in graph.of(TASK) for one in json.loads(task.inputs["containerDefinitions"])
    ]


def _group_of(balancer: Resource) -> tuple[str, ...]:
    return tuple(balancer.inputs["securityGroups"])


def _box(words: list[str], begin: str = "[", end: str = "]") -> str:
    return f'{begin}"{"<br/>".join(words)}"{end}'
