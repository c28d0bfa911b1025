"""A small stack, declared with boto3 as the provider does; ``declared.json`` has what the calls send."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local_cloud.building.builder import LocalImage
from local_cloud.clock import Clock
from local_cloud.cloud.plane import DataPlane

REGION = "ap-northeast-1"
REPOSITORY = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/hello"
EXECUTION = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
DECLARED = json.loads(Path(__file__).with_name("declared.json").read_text())
"""The parameters of calls by the resource; ``$name`` is an id of the stack, or another entry."""
DEPLOYMENT = DECLARED["service"]["deploymentConfiguration"]
EVERYWHERE = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]


def policy(*statements: Mapping[str, Any]) -> str:
    """Return a policy document of statements, which allow unless they say otherwise."""
    listed = [{"Effect": "Allow", **each} for each in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": listed})


def statement(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Action": action, "Resource": resource, **more}


def trust(service: str) -> str:
    return policy({"Principal": {"Service": service}, "Action": "sts:AssumeRole"})


TRUST = trust("ecs-tasks.amazonaws.com")
ELB = "elasticloadbalancing:"


@dataclass
class Declarations:
    """Declares a VPC, a load balancer, roles, and the service of one small app."""

    plane: DataPlane
    clock: Clock
    endpoint: str
    images: dict[str, LocalImage]
    ids: dict[str, Any] = field(default_factory=dict)

    def client(self, name: str, **keys: str) -> Any:
        once = Config(retries={"max_attempts": 0})
        return boto3.client(name, REGION, endpoint_url=self.endpoint, config=once, **keys)

    def __getattr__(self, name: str) -> Any:
        service = {"sm": "secretsmanager", "elb": "elbv2"}.get(name, name)
        known = ("acm", "ec2", "ecr", "ecs", "elbv2", "rds", "logs", "iam", "secretsmanager")
        if service not in known:
            raise AttributeError(name)
        self.__dict__[name] = self.client(service)
        return self.__dict__[name]

    def declared(self, name: str, **change: Any) -> Any:
        """Return an entry of ``declared.json`` with the stack's ids and some changes."""
        entry = self._filled(DECLARED[name])
        return {**entry, **change} if change else entry

    def _filled(self, value: Any) -> Any:
        match value:
            case str() if value.startswith("$"):
                name = value.removeprefix("$")
                return self.ids[name] if name in self.ids else self.declared(name)
            case list():
                return [self._filled(member) for member in value]
            case dict():
                return {key: self._filled(member) for key, member in value.items()}
        return value

    def network(self) -> None:
        ec2, ids = self.ec2, self.ids
        ids["image"] = f"{REPOSITORY}:1"
        vpc = ids["vpc"] = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        ids["public"] = [self._subnet(number, GatewayId=gateway) for number in (0, 1)]
        address = ec2.allocate_address(Domain="vpc")["AllocationId"]
        made = ec2.create_nat_gateway(SubnetId=ids["public"][0], AllocationId=address)
        nat = ids["nat"] = made["NatGateway"]["NatGatewayId"]
        ids["private"] = [self._subnet(number, NatGatewayId=nat) for number in (2, 3)]
        for name in ("alb", "task", "db"):
            group = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)
            ids[f"{name}-sg"] = group["GroupId"]
        self.allow("alb-sg", 80, cidr="0.0.0.0/0")
        self.allow("task-sg", 3000, group="alb-sg")
        self.allow("db-sg", 5432, group="task-sg")

    def _subnet(self, number: int, **target: str) -> str:
        ec2, vpc = self.ec2, self.ids["vpc"]
        zone = f"{REGION}{'acacd'[number]}"
        place = {"CidrBlock": f"10.0.{number}.0/24", "AvailabilityZone": zone}
        subnet = str(ec2.create_subnet(VpcId=vpc, **place)["Subnet"]["SubnetId"])
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        self.ids.setdefault("tables", {})[subnet] = table
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        return subnet

    def _ingress(self, name: str, port: int, **source: str) -> dict[str, Any]:
        rule: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
        match source:
            case {"cidr": cidr}:
                rule["IpRanges"] = [{"CidrIp": cidr}]
            case {"group": group}:
                rule["UserIdGroupPairs"] = [{"GroupId": self.ids[group]}]
            case {"prefixes": prefixes}:
                rule["PrefixListIds"] = [{"PrefixListId": prefixes}]
        return {"GroupId": self.ids[name], "IpPermissions": [rule]}

    def allow(self, name: str, port: int, **source: str) -> None:
        """Let a source into a security group: ``cidr``, ``group`` (by its name here), or ``prefixes``."""
        self.ec2.authorize_security_group_ingress(**self._ingress(name, port, **source))

    def forbid(self, name: str, port: int, **source: str) -> None:
        self.ec2.revoke_security_group_ingress(**self._ingress(name, port, **source))

    def load_balancer(self, name: str = "alb", group: str = "tg", **check: Any) -> None:
        elb, ids = self.elb, self.ids
        made = elb.create_load_balancer(**self.declared("load_balancer", Name=name))
        ids["alb"] = made["LoadBalancers"][0]["LoadBalancerArn"]
        ids["tg"] = self.target_group(group, **check)
        made = elb.create_listener(**self.declared("listener"))
        ids["listener"] = made["Listeners"][0]["ListenerArn"]

    def https(self) -> str:
        self.allow("alb-sg", 443, cidr="0.0.0.0/0")
        made = self.elb.create_listener(**self.declared("https_listener"))
        self.ids["https"] = str(made["Listeners"][0]["ListenerArn"])
        return str(self.ids["https"])

    def target_group(self, name: str, **check: Any) -> str:
        made = self.elb.create_target_group(**self.declared("target_group", Name=name, **check))
        arn = str(made["TargetGroups"][0]["TargetGroupArn"])
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "15"}
        self.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
        return arn

    def rule(self, **change: Any) -> str:
        """Create a rule that forwards all paths, or another one, and return its ARN."""
        made = self.elb.create_rule(**self.declared("rule", **change))
        return str(made["Rules"][0]["RuleArn"])

    def forward(self) -> None:
        self.ids["rule"] = self.rule()

    def shifting_role(self, name: str, *rules: str) -> str:
        """Create a role that may shift requests by these rules; ECS knows it after a while. Return its ARN.

        It has what AmazonECSInfrastructureRolePolicyForLoadBalancers allows.
        """
        looks = ("Listeners", "Rules", "TargetGroups", "TargetHealth")
        groups = [self.ids["tg"], self.ids["tg2"]]
        role = self.iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=trust("ecs.amazonaws.com")
        )["Role"]
        document = policy(
            statement([f"{ELB}Describe{look}" for look in looks]),
            statement([f"{ELB}RegisterTargets", f"{ELB}DeregisterTargets"], groups),
            statement(f"{ELB}ModifyRule", rules),
        )
        self.grant(name, document)
        return str(role["Arn"])

    def shifting(self, **change: str) -> list[dict[str, Any]]:
        """Return the load balancer's part of a service that shifts between two target groups."""
        [registration] = self.declared("service")["loadBalancers"]
        return [{**registration, "advancedConfiguration": self.declared("shifting", **change)}]

    def roles(self) -> None:
        for name in ("execution", "task"):
            role = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]
            self.ids[f"{name}-role"] = role["Arn"]
        self.iam.attach_role_policy(RoleName="execution", PolicyArn=EXECUTION)

    def grant(self, role: str, document: str, name: str = "test") -> None:
        self.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)

    def task_definition(self, version: str = "v1", **change: Any) -> str:
        """Register a task definition of ``environment``, ``whole`` and changes of its container; return its ARN."""
        environment = {"PORT": "3000", "APP_VERSION": version, **change.pop("environment", {})}
        whole = change.pop("whole", {})
        variables = [{"name": name, "value": value} for name, value in environment.items()]
        container = self.declared("container", environment=variables, **change)
        made = self.ecs.register_task_definition(
            **self.declared("task_definition", containerDefinitions=[container], **whole)
        )
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def service(self, definition: str, desired: int = 1, **change: Any) -> None:
        values = {"taskDefinition": definition, "desiredCount": desired, **change}
        self.ecs.create_service(**self.declared("service", **values))

    def update(self, **change: Any) -> None:
        self.ecs.update_service(cluster="main", service="web", **change)

    def release(self, version: str, **environment: str) -> str:
        """Deploy a version and return its task definition."""
        definition = self.task_definition(version, environment=environment)
        self.update(taskDefinition=definition)
        return definition
