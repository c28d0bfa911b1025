"""The bastion: an EC2 instance to reach the database through, by Session Manager."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from careapp.settings.settings import Settings
from careapp.settings.statements import trusted

from .component import Component
from .database import Database
from .iam import bastion_policy, role
from .network import Network, security_group
from .security_groups import SecurityGroupRules

INSTANCE_TYPE = "t4g.nano"
ROOT_GIB = 8
"""The size of Amazon Linux 2023's snapshot, which is the minimum."""
IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
"""The public SSM parameter of the newest Amazon Linux 2023 for ARM, which contains the SSM Agent."""
EC2 = trusted("ec2.amazonaws.com")


class Bastion(Component):
    """An instance managed by SSM: no ingress rule, no key pair, egress to the database.

    It must reach SSM. So it runs where the tasks run: in a private subnet, or without a NAT gateway in
    a public subnet with a public IP address. The security group has no ingress rule there either.
    """

    def __init__(self, name: str, settings: Settings, network: Network, database: Database) -> None:
        super().__init__(name, settings)
        self.network, self.role = network, f"{name}-bastion"
        group = security_group(self.role, "The bastion; nobody connects to it", network, self)
        rules = SecurityGroupRules(name, self)
        rules.allow_https("bastion", group.id)
        rules.connect("bastion", group.id, "database", database.security_group_id, database.port)
        self.instance_id = self._instance(group.id, self._profile()).id
        self.register_outputs({})

    def _profile(self) -> pulumi.Output[str]:
        profile_role = role(self, self.role, EC2)
        aws.iam.RolePolicy(
            self.role, role=profile_role.name, policy=json.dumps(bastion_policy()), opts=self.child
        )
        return aws.iam.InstanceProfile(self.role, role=profile_role.name, opts=self.child).name

    def _instance(self, group: pulumi.Output[str], profile: pulumi.Output[str]) -> aws.ec2.Instance:
        return aws.ec2.Instance(
            self.role,
            ami=aws.ssm.get_parameter_output(name=IMAGE).insecure_value,
            instance_type=INSTANCE_TYPE,
            subnet_id=self.network.task_subnet_ids[0],
            associate_public_ip_address=self.network.tasks_are_public,
            vpc_security_group_ids=[group],
            iam_instance_profile=profile,
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
            },
            root_block_device={
                "encrypted": True,
                "volume_type": "gp3",
                "volume_size": ROOT_GIB,
                "delete_on_termination": True,
            },
            tags={"Name": self.role},
            # AWS names a new image every few weeks; that must not replace a bastion in use.
            opts=self.options(ignore_changes=["ami"]),
        )
