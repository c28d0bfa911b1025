"""A small stack, declared with boto3 as the provider does."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

from infra.shifting import ECS, shifting_policy
from tools.local_cloud.aws.ecs.shifting import PROPAGATION
from tools.local_cloud.building.builder import LocalImage
from tools.local_cloud.clock import Clock
from tools.local_cloud.cloud.plane import DataPlane

REGION = "ap-northeast-1"
REPOSITORY = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/hello"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
EXECUTION = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
DEPLOYMENT = {
    "deploymentCircuitBreaker": {"enable": True, "rollback": True},
    "minimumHealthyPercent": 100,
    "maximumPercent": 200,
}


@dataclass
class Declarations:
    """Declares a VPC, a load balancer, roles, and the service of one small app."""

    plane: DataPlane
    clock: Clock
    endpoint: str
    images: dict[str, LocalImage]
    ids: dict[str, Any] = field(default_factory=dict)

    def client(self, name: str) -> Any:
        return boto3.client(
            name,
            endpoint_url=self.endpoint,
            region_name=REGION,
            config=Config(retries={"max_attempts": 0}),
        )

    def __getattr__(self, name: str) -> Any:
        service = {"sm": "secretsmanager", "elb": "elbv2"}.get(name, name)
        if service not in ("acm", "ec2", "ecs", "elbv2", "rds", "logs", "iam", "secretsmanager"):
            raise AttributeError(name)
        self.__dict__[name] = self.client(service)
        return self.__dict__[name]

    def network(self) -> None:
        ec2, ids = self.ec2, self.ids
        vpc = ids["vpc"] = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        ids["public"] = [self._subnet(vpc, number, gateway=gateway) for number in (0, 1)]
        nat = ids["nat"] = ec2.create_nat_gateway(
            SubnetId=ids["public"][0],
            AllocationId=ec2.allocate_address(Domain="vpc")["AllocationId"],
        )["NatGateway"]["NatGatewayId"]
        ids["private"] = [self._subnet(vpc, number, nat=nat) for number in (2, 3)]
        for name in ("alb", "task", "db"):
            group = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)
            ids[f"{name}-sg"] = group["GroupId"]
        self.allow("alb-sg", 80, cidr="0.0.0.0/0")
        self.allow("task-sg", 3000, group="alb-sg")
        self.allow("db-sg", 5432, group="task-sg")

    def _subnet(self, vpc: str, number: int, gateway: str = "", nat: str = "") -> str:
        ec2 = self.ec2
        subnet: str = ec2.create_subnet(
            VpcId=vpc,
            CidrBlock=f"10.0.{number}.0/24",
            AvailabilityZone=f"{REGION}{'ac'[number % 2]}",
        )["Subnet"]["SubnetId"]
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        self.ids.setdefault("tables", {})[subnet] = table
        way = {"GatewayId": gateway} if gateway else {"NatGatewayId": nat}
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **way)
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        return subnet

    def _permission(self, port: int, cidr: str, group: str) -> list[dict[str, Any]]:
        rule: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
        if cidr:
            rule["IpRanges"] = [{"CidrIp": cidr}]
        else:
            rule["UserIdGroupPairs"] = [{"GroupId": self.ids[group]}]
        return [rule]

    def allow(self, name: str, port: int, cidr: str = "", group: str = "") -> None:
        self.ec2.authorize_security_group_ingress(
            GroupId=self.ids[name], IpPermissions=self._permission(port, cidr, group)
        )

    def forbid(self, name: str, port: int, cidr: str = "", group: str = "") -> None:
        self.ec2.revoke_security_group_ingress(
            GroupId=self.ids[name], IpPermissions=self._permission(port, cidr, group)
        )

    def load_balancer(self, name: str = "alb", group: str = "tg", **check: Any) -> None:
        elb, ids = self.elb, self.ids
        ids["alb"] = elb.create_load_balancer(
            Name=name, Subnets=ids["public"], SecurityGroups=[ids["alb-sg"]]
        )["LoadBalancers"][0]["LoadBalancerArn"]
        ids["tg"] = self.target_group(group, **check)
        ids["listener"] = elb.create_listener(
            LoadBalancerArn=ids["alb"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[
                {
                    "Type": "fixed-response",
                    "FixedResponseConfig": {
                        "StatusCode": "503",
                        "ContentType": "text/plain",
                        "MessageBody": "ECS is off",
                    },
                }
            ],
        )["Listeners"][0]["ListenerArn"]

    def target_group(self, name: str, **check: Any) -> str:
        declared = {
            "HealthCheckPath": "/health",
            "HealthCheckIntervalSeconds": 10,
            "HealthCheckTimeoutSeconds": 5,
            "HealthyThresholdCount": 2,
            "UnhealthyThresholdCount": 3,
            "Protocol": "HTTP",
            **check,
        }
        arn = self.elb.create_target_group(
            Name=name,
            Port=3000,
            VpcId=self.ids["vpc"],
            TargetType="ip",
            **declared,
        )["TargetGroups"][0]["TargetGroupArn"]
        self.elb.modify_target_group_attributes(
            TargetGroupArn=arn,
            Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "15"}],
        )
        return str(arn)

    def forward(self, **action: Any) -> None:
        self.ids["rule"] = self.elb.create_rule(
            ListenerArn=self.ids["listener"],
            Priority=10,
            Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
            Actions=[{"Type": "forward", **(action or {"TargetGroupArn": self.ids["tg"]})}],
        )["Rules"][0]["RuleArn"]

    def shifting_service(
        self,
        strategy: Mapping[str, Any],
        desired: int,
        allowed: Any = shifting_policy,
        *,
        wait: bool = True,
    ) -> None:
        """Declare a service with two target groups and version 1, as the program does; ``wait`` for the role."""
        first, second = self.ids["tg"], self.target_group("tg2")
        self.ids["tg2"] = second
        weights = [
            {"TargetGroupArn": first, "Weight": 100},
            {"TargetGroupArn": second, "Weight": 0},
        ]
        self.forward(ForwardConfig={"TargetGroups": weights})
        role = self.iam.create_role(RoleName="shifting", AssumeRolePolicyDocument=json.dumps(ECS))
        self.ids["test-rule"] = self._test_rule(weights)
        rules = [self.ids["rule"], self.ids["test-rule"]]
        document = json.dumps(allowed([first, second], rules))
        self.iam.put_role_policy(
            RoleName="shifting", PolicyName="shifting", PolicyDocument=document
        )
        if wait:
            time.sleep(self.clock.wall(PROPAGATION) + 0.1)
        registration = {
            "targetGroupArn": first,
            "containerName": "app",
            "containerPort": 3000,
            "advancedConfiguration": {
                "alternateTargetGroupArn": second,
                "productionListenerRule": self.ids["rule"],
                "testListenerRule": self.ids["test-rule"],
                "roleArn": role["Role"]["Arn"],
            },
        }
        self.service(
            self.task_definition("v1"),
            desired,
            loadBalancers=[registration],
            deploymentConfiguration={**DEPLOYMENT, **strategy},
        )

    def _test_rule(self, weights: list[dict[str, Any]]) -> str:
        header = {"HttpHeaderName": "X-Test", "Values": ["me"]}
        made = self.elb.create_rule(
            ListenerArn=self.ids["listener"],
            Priority=5,
            Conditions=[{"Field": "http-header", "HttpHeaderConfig": header}],
            Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}],
        )
        return str(made["Rules"][0]["RuleArn"])

    def roles(self) -> None:
        for name in ("execution", "task"):
            role = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]
            self.ids[f"{name}-role"] = role["Arn"]
        self.iam.attach_role_policy(RoleName="execution", PolicyArn=EXECUTION)

    def task_definition(self, version: str = "v1", **change: Any) -> str:
        environment = {"PORT": "3000", "APP_VERSION": version, **change.pop("environment", {})}
        whole = change.pop("whole", {})
        container = {
            "name": "app",
            "image": f"{REPOSITORY}:1",
            "essential": True,
            "portMappings": [{"containerPort": 3000}],
            "environment": [{"name": k, "value": v} for k, v in environment.items()],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": "/ecs/app",
                    "awslogs-region": REGION,
                    "awslogs-stream-prefix": "ecs",
                },
            },
            **change,
        }
        made = self.ecs.register_task_definition(
            **{
                "family": "app",
                "networkMode": "awsvpc",
                "requiresCompatibilities": ["FARGATE"],
                "cpu": "256",
                "memory": "512",
                "executionRoleArn": self.ids["execution-role"],
                "taskRoleArn": self.ids["task-role"],
                "containerDefinitions": [container],
                **whole,
            }
        )
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def service(self, definition: str, desired: int = 1, **change: Any) -> None:
        self.ecs.create_service(
            **{
                "cluster": "main",
                "serviceName": "web",
                "taskDefinition": definition,
                "desiredCount": desired,
                "launchType": "FARGATE",
                "healthCheckGracePeriodSeconds": 60,
                "networkConfiguration": {
                    "awsvpcConfiguration": {
                        "subnets": self.ids["private"],
                        "securityGroups": [self.ids["task-sg"]],
                    }
                },
                "loadBalancers": [
                    {
                        "targetGroupArn": self.ids["tg"],
                        "containerName": "app",
                        "containerPort": 3000,
                    }
                ],
                "deploymentConfiguration": DEPLOYMENT,
                **change,
            }
        )
