"""The network: a VPC with public, private and database subnets in each zone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_awsx as awsx

from i18n import t
from infra.flow_logs import FlowLogs, FlowLogsArgs
from stack.settings import Settings

NAT = {
    "none": awsx.ec2.NatGatewayStrategy.NONE,
    "single": awsx.ec2.NatGatewayStrategy.SINGLE,
    "onePerAz": awsx.ec2.NatGatewayStrategy.ONE_PER_AZ,
}
SUBNET = "aws:ec2/subnet:Subnet"
SMALL, LARGE = 8, 4
"""Bits that a subnet's mask is longer than the VPC's: a /16 gives /24 and /20."""
ZONE_BITS = 2
"""The same for a zone's block of the VPC."""
ATTACH_SECONDS = 300
"""How long a NAT gateway waits for an internet gateway, which EC2 makes in a few seconds."""


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What a network needs to be told."""

    settings: Settings


class Network(pulumi.ComponentResource):
    """A VPC by awsx, its strategy and masks spelled out, its default security group closed.

    awsx has changed its defaults before, and another default would replace subnets.
    Without a NAT gateway the private subnets lead nowhere, so tasks must run in the public ones:
    they have to reach ECR, CloudWatch Logs and Secrets Manager. Flow logs are a setting.
    """

    vpc: awsx.ec2.Vpc
    vpc_id: pulumi.Output[str]
    public_subnet_ids: pulumi.Output[Sequence[str]]
    database_subnet_ids: pulumi.Output[Sequence[str]]
    task_subnet_ids: pulumi.Output[Sequence[str]]
    tasks_are_public: bool
    routes: pulumi.Output[list[pulumi.Resource]]
    """What awsx makes last: everything else of its own is a dependency of one of these.

    The engine does not take what depends on awsx's component for a dependent of its children.
    """

    def __init__(
        self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:Network", name, None, opts)
        self.args = args
        transforms: list[pulumi.ResourceTransform] = [
            no_public_ips,
            kept(args.settings),
            InternetGatewayFirst().order,
        ]
        self.vpc = _vpc(
            name, args.settings, pulumi.ResourceOptions(parent=self, transforms=transforms)
        )
        self.vpc_id = self.vpc.vpc_id
        self.public_subnet_ids = self.vpc.public_subnet_ids
        self.database_subnet_ids = self.vpc.isolated_subnet_ids
        self.tasks_are_public = args.settings.network.nat == "none"
        self.task_subnet_ids = (
            self.vpc.public_subnet_ids if self.tasks_are_public else self.vpc.private_subnet_ids
        )
        self.routes = pulumi.Output.all(self.vpc.routes, self.vpc.route_table_associations).apply(
            lambda made: [*made[0], *made[1]]
        )
        self._close_default_group(name)
        if args.settings.logs.flow:
            self._log(name)
        self.register_outputs({"vpc_id": self.vpc_id, "task_subnet_ids": self.task_subnet_ids})

    def _close_default_group(self, name: str) -> None:
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default",
            vpc_id=self.vpc_id,
            ingress=[],
            egress=[],
            tags={**self.args.settings.tags, "Name": f"{name}-default-closed"},
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _log(self, name: str) -> None:
        settings = self.args.settings
        args = FlowLogsArgs(
            vpc_id=self.vpc_id,
            region=settings.region,
            days=settings.logs.days,
            protect=settings.protect,
            tags=settings.tags,
        )
        FlowLogs(name, args, pulumi.ResourceOptions(parent=self))


def no_public_ips(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
    """Keep public subnets from giving every network interface a public address (EC2.15).

    awsx turns it on and has no argument for it. The load balancer, NAT gateways and tasks do
    not need it: they ask for their addresses themselves.
    """
    if args.type_ != SUBNET:
        return None
    return pulumi.ResourceTransformResult(
        props={**args.props, "mapPublicIpOnLaunch": False}, opts=args.opts
    )


def kept(settings: Settings) -> pulumi.ResourceTransform:
    """Protect the VPC and the subnets of the two zones that the database lives in.

    The engine then refuses another range, or another zone in place of one of these, before it changes
    anything. A third zone and NAT gateways may still come and go.
    """

    def protect(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult:
        first = args.type_ == SUBNET and args.name.endswith(("-1", "-2"))
        keep = first or args.type_ == "aws:ec2/vpc:Vpc"
        # Said of every child: awsx nests them, and one that says nothing takes its parent's protection.
        opts = pulumi.ResourceOptions(protect=settings.protect and keep)
        return pulumi.ResourceTransformResult(
            props=args.props, opts=pulumi.ResourceOptions.merge(args.opts, opts)
        )

    return protect


class InternetGatewayFirst:
    """Makes each NAT gateway wait until the internet gateway of the same update is attached.

    awsx declares no dependency between the two. EC2 makes a NAT gateway without an internet gateway,
    too, and sets it to `failed` with Gateway.NotAttached (VPC user guide, "Troubleshoot NAT
    gateways"); Pulumi keeps a failed one, so that the next update would not replace it.
    """

    def __init__(self) -> None:
        self._attached = asyncio.Event()
        # An update that does not make the internet gateway finds it there and waits for nothing.
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
        hooks = {
            "aws:ec2/internetGateway:InternetGateway": self._first,
            "aws:ec2/natGateway:NatGateway": self._second,
        }.get(args.type_)
        if hooks is None:
            return None
        opts = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(hooks=hooks))
        return pulumi.ResourceTransformResult(props=args.props, opts=opts)

    def begin(self, _made: pulumi.ResourceHookArgs) -> None:
        self._attached.clear()

    def end(self, _made: pulumi.ResourceHookArgs) -> None:
        self._attached.set()

    async def wait(self, waiting: pulumi.ResourceHookArgs) -> None:
        """Raises TimeoutError where the internet gateway could not be made."""
        try:
            async with asyncio.timeout(ATTACH_SECONDS):
                await self._attached.wait()
        except TimeoutError:
            raise TimeoutError(
                t(
                    "The NAT gateway {name} was not made: the internet gateway was not attached "
                    "within {seconds} s. Its own error is above; then `pulumi up` again.",
                    name=waiting.name,
                    seconds=ATTACH_SECONDS,
                )
            ) from None


def _vpc(name: str, settings: Settings, opts: pulumi.ResourceOptions) -> awsx.ec2.Vpc:
    network = settings.network
    prefix = network.cidr.prefixlen
    kinds = awsx.ec2.SubnetType
    return awsx.ec2.Vpc(
        name,
        cidr_block=str(network.cidr),
        enable_dns_hostnames=True,
        availability_zone_names=list(network.zones),
        # As for four zones: with as many as there are, a third one would move the second one's
        # subnets to where others still lie.
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
