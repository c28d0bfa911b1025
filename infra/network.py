"""The VPC, with public, private and database subnets in each zone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_awsx as awsx

from careapp.settings.settings import Settings
from ecs_gate.text import t

from .component import Component
from .logs import FlowLogs

NAT = {
    "none": awsx.ec2.NatGatewayStrategy.NONE,
    "single": awsx.ec2.NatGatewayStrategy.SINGLE,
    "onePerAz": awsx.ec2.NatGatewayStrategy.ONE_PER_AZ,
}
SUBNET = "aws:ec2/subnet:Subnet"
SMALL, LARGE = 8, 4
"""Bits by which a subnet's prefix is longer than the VPC's: a /16 gives /24 and /20."""
ZONE_BITS = 2
"""Bits by which the prefix of one zone's range is longer than the VPC's."""
ATTACH_SECONDS = 300
"""How long a NAT gateway waits for the internet gateway, which EC2 creates in a few seconds."""


class Network(Component):
    """A VPC by awsx, with a default security group without rules.

    Subnet strategy and masks are explicit: awsx has changed its defaults before, and another default
    would replace subnets. Tasks must reach ECR, CloudWatch Logs and Secrets Manager. Without a NAT
    gateway they therefore run in the public subnets.
    """

    routes: pulumi.Output[list[pulumi.Resource]]
    """The resources that awsx creates last; all its others are dependencies of these.

    The engine does not extend a dependency on awsx's component to the component's children.
    """

    def __init__(self, name: str, settings: Settings, zones: Sequence[str]) -> None:
        super().__init__(name, settings)
        transforms: list[pulumi.ResourceTransform] = [
            no_public_ips,
            protect_subnets(settings),
            InternetGatewayFirst().order,
        ]
        opts = self.options(transforms=transforms)
        self.vpc = _vpc(name, settings, zones, opts)
        self.vpc_id = self.vpc.vpc_id
        self.public_subnet_ids = self.vpc.public_subnet_ids
        self.database_subnet_ids = self.vpc.isolated_subnet_ids
        self.tasks_are_public = settings.network.nat == "none"
        self.task_subnet_ids = (
            self.vpc.public_subnet_ids if self.tasks_are_public else self.vpc.private_subnet_ids
        )
        self.task_route_table_ids = self._task_route_tables()
        self.routes = pulumi.Output.all(self.vpc.routes, self.vpc.route_table_associations).apply(
            lambda made: [*made[0], *made[1]]
        )
        self._close_default_group(name)
        if settings.logs.traffic:
            FlowLogs(name, settings, self.vpc_id, self.child)
        self.register_outputs({})

    def _task_route_tables(self) -> pulumi.Output[list[str]]:
        """Return the route tables of the tasks' subnets, in a fixed order; awsx makes one for each subnet."""
        pairs = self.vpc.route_table_associations.apply(
            lambda made: [pulumi.Output.all(each.subnet_id, each.route_table_id) for each in made]
        )
        return pulumi.Output.all(pairs, self.task_subnet_ids).apply(
            lambda known: sorted(table for subnet, table in known[0] if subnet in known[1])
        )

    def _close_default_group(self, name: str) -> None:
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default",
            vpc_id=self.vpc_id,
            ingress=[],
            egress=[],
            tags={"Name": f"{name}-default-closed"},
            opts=self.child,
        )


def security_group(
    name: str, description: str, network: Network, component: Component, **more: Any
) -> aws.ec2.SecurityGroup:
    """Create a security group of a component, without rules; ``more`` are further options."""
    return aws.ec2.SecurityGroup(
        name,
        description=description,
        vpc_id=network.vpc_id,
        # A rule added outside Pulumi would make EC2 refuse to delete the group.
        revoke_rules_on_delete=True,
        tags={"Name": name},
        opts=component.options(**more),
    )


def no_public_ips(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
    """Turn off the public subnets' automatic public IP addresses (EC2.15). A resource transform.

    awsx turns them on and has no argument for it. The load balancer, NAT gateways and tasks request
    their own addresses.
    """
    if args.type_ != SUBNET:
        return None
    return pulumi.ResourceTransformResult(
        props={**args.props, "mapPublicIpOnLaunch": False}, opts=args.opts
    )


def protect_subnets(settings: Settings) -> pulumi.ResourceTransform:
    """Return a transform that protects the VPC and the subnets of the database's two zones.

    The engine then refuses another CIDR range, or another zone in place of one of these, before it
    changes anything. A third zone and NAT gateways can still be added and removed.
    """

    def protect(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult:
        first_zones = args.type_ == SUBNET and args.name.endswith(("-1", "-2"))
        protected = first_zones or args.type_ == "aws:ec2/vpc:Vpc"
        # Set on every child: awsx nests them, and a resource without the option inherits its parent's.
        opts = pulumi.ResourceOptions(protect=settings.protect and protected)
        return pulumi.ResourceTransformResult(
            props=args.props, opts=pulumi.ResourceOptions.merge(args.opts, opts)
        )

    return protect


class InternetGatewayFirst:
    """Makes each NAT gateway wait until the internet gateway of the same update is attached.

    awsx declares no dependency between the two. EC2 creates a NAT gateway without an internet gateway
    and then sets it to `failed` with Gateway.NotAttached (VPC user guide, "Troubleshoot NAT
    gateways"). Pulumi would keep the failed one in its state and not replace it.
    """

    def __init__(self) -> None:
        self._attached = asyncio.Event()
        # An update that creates no internet gateway does not wait.
        self._attached.set()
        self._first = pulumi.ResourceHookBinding(
            before_create=[pulumi.ResourceHook("internet-gateway-begins", self.begin)],
            after_create=[pulumi.ResourceHook("internet-gateway-attached", self.end)],
        )
        self._second = pulumi.ResourceHookBinding(
            before_create=[pulumi.ResourceHook("nat-gateway-waits", self.wait)]
        )

    def order(self, args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        """Add the hooks to awsx's gateways. A resource transform."""
        if args.type_ == "aws:ec2/internetGateway:InternetGateway":
            more = pulumi.ResourceOptions(hooks=self._first)
        elif args.type_ == "aws:ec2/natGateway:NatGateway":
            # The new one gets the same Elastic IP address, which EC2 associates with one only.
            more = pulumi.ResourceOptions(hooks=self._second, delete_before_replace=True)
        else:
            return None
        opts = pulumi.ResourceOptions.merge(args.opts, more)
        return pulumi.ResourceTransformResult(props=args.props, opts=opts)

    def begin(self, _gateway: pulumi.ResourceHookArgs) -> None:
        """Make the NAT gateways wait."""
        self._attached.clear()

    def end(self, _gateway: pulumi.ResourceHookArgs) -> None:
        """Let the NAT gateways be created."""
        self._attached.set()

    async def wait(self, nat_gateway: pulumi.ResourceHookArgs) -> None:
        """Wait for the internet gateway. Raises TimeoutError when it was not attached in time."""
        try:
            async with asyncio.timeout(ATTACH_SECONDS):
                await self._attached.wait()
        except TimeoutError:
            raise TimeoutError(
                t(
                    "The NAT gateway {name} was not created: the internet gateway was not attached "
                    "within {seconds} s. Its own error is above. Fix it, then run `pulumi up` again.",
                    name=nat_gateway.name,
                    seconds=ATTACH_SECONDS,
                )
            ) from None


def _vpc(
    name: str, settings: Settings, zones: Sequence[str], opts: pulumi.ResourceOptions
) -> awsx.ec2.Vpc:
    network = settings.network
    prefix = network.cidr.prefixlen
    kinds = awsx.ec2.SubnetType
    return awsx.ec2.Vpc(
        name,
        cidr_block=str(network.cidr),
        enable_dns_hostnames=True,
        availability_zone_names=list(zones),
        # A quarter of the VPC for each zone. With a mask by the number of zones, a third zone would
        # move the subnets of the second one onto ranges that are still in use.
        availability_zone_cidr_mask=prefix + ZONE_BITS,
        subnet_strategy=awsx.ec2.SubnetAllocationStrategy.AUTO,
        subnet_specs=[
            awsx.ec2.SubnetSpecArgs(type=kind, name=role, cidr_mask=prefix + bits)
            for kind, role, bits in (
                (kinds.PUBLIC, "public", SMALL),
                (kinds.PRIVATE, "private", LARGE),
                (kinds.ISOLATED, "database", SMALL),
            )
        ],
        nat_gateways=awsx.ec2.NatGatewayConfigurationArgs(strategy=NAT[network.nat]),
        tags=settings.tags,
        opts=opts,
    )
