"""The stand-in for awsx: ``awsx:ec2:Vpc`` with the very children, names and addresses of the real one.

It registers the children by the engine's own protocol; the real provider does the same through Pulumi's Node.js library
(pulumi-awsx 3.11, ``awsx/ec2/vpc.ts``).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from ipaddress import IPv4Network
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import resource_pb2, resource_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN, _special_resource_sig, _special_sig_key

from rehearsal.providers.servicer import Servicer, Values, fail, struct, values
from rehearsal.providers.subnets import Subnet, lay_out

VPC = "awsx:ec2:Vpc"
OF_AWSX = {
    "availabilityZoneCidrMask",
    "availabilityZoneNames",
    "natGateways",
    "subnetSpecs",
    "subnetStrategy",
    "tags",
}
"""The arguments that awsx itself uses; every other one goes to the ``aws:ec2/vpc:Vpc`` as it is."""
STRATEGIES = {"none", "single", "oneperaz"}
OUTPUTS = {
    "aws:ec2/subnet:Subnet": "subnets",
    "aws:ec2/routeTable:RouteTable": "routeTables",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "routeTableAssociations",
    "aws:ec2/route:Route": "routes",
    "aws:ec2/natGateway:NatGateway": "natGateways",
    "aws:ec2/eip:Eip": "eips",
}
"""The outputs that are lists of children, by the children's type."""


@dataclass(frozen=True)
class Child:
    """A registered resource: its URN, its id (or unknown) and its outputs."""

    urn: str
    identity: str
    outputs: Values

    def reference(self) -> Values:
        """The child as an output of the component, which the SDK makes a resource again."""
        return {_special_sig_key: _special_resource_sig, "urn": self.urn, "id": self.identity}


class Monitor:
    """The engine's resource monitor, as one Construct call sees it."""

    def __init__(self, request: Any) -> None:
        self._channel = grpc.insecure_channel(request.monitorEndpoint)
        self._stub = resource_pb2_grpc.ResourceMonitorStub(self._channel)
        self._providers = dict(request.providers)
        self.component_urn = ""

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def component(self, request: Any) -> str:
        """Register the component itself and return its URN."""
        answer = self._stub.RegisterResource(
            resource_pb2.RegisterResourceRequest(
                type=request.type,
                name=request.name,
                parent=request.parent,
                object=struct({}),
                dependencies=list(request.dependencies),
                aliases=list(request.aliases),
                acceptSecrets=True,
                providers=self._providers,
            )
        )
        self.component_urn = str(answer.urn)
        return self.component_urn

    def add(
        self, kind: str, name: str, inputs: Values, parent: str, links: Mapping[str, Child]
    ) -> Child:
        """Register one child. ``links`` are the inputs that are another child's id (or output)."""
        # Children of the component itself do not depend on it: it is complete only when they are.
        above = {parent} - {self.component_urn}
        dependencies = sorted(above | {child.urn for child in links.values()})
        properties = {
            key: resource_pb2.RegisterResourceRequest.PropertyDependencies(urns=[child.urn])
            for key, child in links.items()
        }
        answer = self._stub.RegisterResource(
            resource_pb2.RegisterResourceRequest(
                type=kind,
                name=name,
                parent=parent,
                custom=True,
                object=struct(inputs | {key: child.identity for key, child in links.items()}),
                dependencies=dependencies,
                propertyDependencies=properties,
                acceptSecrets=True,
                acceptResources=True,
                provider=self._providers.get("aws", ""),
                version=metadata.version("pulumi-aws"),
            )
        )
        made = values(answer.object)
        return Child(urn=answer.urn, identity=answer.id or UNKNOWN, outputs=made)

    def finish(self, urn: str) -> None:
        """Say that the component is complete. As the real one it has no outputs in the state."""
        self._stub.RegisterResourceOutputs(resource_pb2.RegisterResourceOutputsRequest(urn=urn))


class Builder:
    """The children of one VPC, in awsx's order."""

    def __init__(self, monitor: Monitor, name: str, args: Values, urn: str) -> None:
        self.monitor, self.name, self.args, self.urn = monitor, name, args, urn
        self.tags: Values = {"Name": name, **args.get("tags", {})}
        self.strategy = str((args.get("natGateways") or {}).get("strategy", "OnePerAz")).lower()
        if self.strategy not in STRATEGIES:
            raise ValueError(
                f"natGateways.strategy: {self.strategy!r} is none of {sorted(STRATEGIES)}"
            )
        needed = {"availabilityZoneNames", "availabilityZoneCidrMask"}
        if args.get("subnetStrategy") != "Auto" or needed - set(args):
            raise ValueError(f"the stand-in knows subnetStrategy Auto with {sorted(needed)} only")
        self.nats: list[Child] = []
        self.lists: dict[str, list[Child]] = {output: [] for output in OUTPUTS.values()}
        self.ids: dict[str, list[str]] = {"Public": [], "Private": [], "Isolated": []}

    def build(self) -> Values:
        """Register everything and return the component's outputs."""
        own = {key: value for key, value in self.args.items() if key not in OF_AWSX}
        self.vpc = self.monitor.add(
            "aws:ec2/vpc:Vpc", self.name, {**own, "tags": self.tags}, self.urn, {}
        )
        # The real awsx registers its children at once: no NAT gateway waits for this one.
        with ThreadPoolExecutor(1) as beside:
            self.gateway = beside.submit(
                self.monitor.add,
                "aws:ec2/internetGateway:InternetGateway",
                self.name,
                {"tags": self.tags},
                self.vpc.urn,
                {"vpcId": self.vpc},
            )
            return self.outputs(self.subnets())

    def add(
        self, kind: str, name: str, inputs: Values, parent: str, links: Mapping[str, Child]
    ) -> Child:
        """Register one child and list it among the component's outputs."""
        made = self.monitor.add(kind, name, inputs, parent, links)
        self.lists[OUTPUTS[kind]].append(made)
        return made

    def subnets(self) -> list[Values]:
        """Register the subnets, zone by zone, with all that belongs to them."""
        zones = self.args["availabilityZoneNames"]
        cidr = IPv4Network(self.args.get("cidrBlock", "10.0.0.0/16"))
        specs: list[Values] = self.args["subnetSpecs"]
        order = {"Public": 0, "Private": 1, "Isolated": 2}
        blocks = cidr.subnets(new_prefix=int(self.args["availabilityZoneCidrMask"]))
        subnets = lay_out(self.name, dict(zip(zones, blocks, strict=False)), specs)
        for subnet in sorted(subnets, key=lambda item: (zones.index(item.zone), order[item.kind])):
            self.subnet(subnet, zones.index(subnet.zone))
        return specs

    def subnet(self, subnet: Subnet, zone: int) -> None:
        """A subnet with its route table, and the way out that its kind has."""
        tags = {**self.tags, **subnet.tags, "Name": subnet.name, "SubnetType": subnet.kind}
        made = self.add(
            "aws:ec2/subnet:Subnet",
            subnet.name,
            {
                "assignIpv6AddressOnCreation": False,
                "availabilityZone": subnet.zone,
                "cidrBlock": str(subnet.cidr),
                "mapPublicIpOnLaunch": subnet.kind == "Public",
                "tags": tags,
            },
            self.vpc.urn,
            {"vpcId": self.vpc},
        )
        self.ids[subnet.kind].append(made.identity)
        table = self.add(
            "aws:ec2/routeTable:RouteTable",
            subnet.name,
            {"tags": {**self.tags, "Name": subnet.name, "SubnetType": subnet.kind}},
            made.urn,
            {"vpcId": self.vpc},
        )
        self.add(
            "aws:ec2/routeTableAssociation:RouteTableAssociation",
            subnet.name,
            {},
            table.urn,
            {"routeTableId": table, "subnetId": made},
        )
        if subnet.kind == "Public" and self.needs_nat(zone):
            self.nats.append(self.nat(zone, made))
        self.way_out(subnet, zone, table)

    def needs_nat(self, zone: int) -> bool:
        return self.strategy == "oneperaz" or (self.strategy == "single" and zone == 0)

    def nat(self, zone: int, subnet: Child) -> Child:
        """A NAT gateway with an address of its own."""
        name = f"{self.name}-{zone + 1}"
        tags = {**self.args.get("tags", {}), "Name": name}
        address = self.add("aws:ec2/eip:Eip", name, {"tags": tags}, subnet.urn, {})
        return self.add(
            "aws:ec2/natGateway:NatGateway",
            name,
            {"tags": tags},
            subnet.urn,
            {"subnetId": subnet, "allocationId": address},
        )

    def way_out(self, subnet: Subnet, zone: int, table: Child) -> None:
        """The default route: public by the internet gateway, private by NAT, isolated not at all."""
        links = {"routeTableId": table}
        if subnet.kind == "Public":
            links["gatewayId"] = self.gateway.result()
        elif subnet.kind == "Private" and self.strategy != "none":
            links["natGatewayId"] = self.nats[0 if self.strategy == "single" else zone]
        else:
            return
        everywhere = {"destinationCidrBlock": "0.0.0.0/0"}
        self.add("aws:ec2/route:Route", subnet.name, everywhere, table.urn, links)

    def outputs(self, specs: list[Values]) -> Values:
        layout = [{**spec, "size": 1 << (32 - int(spec["cidrMask"]))} for spec in specs]
        children = {
            output: [each.reference() for each in made] for output, made in self.lists.items()
        }
        return {
            **children,
            "vpc": self.vpc.reference(),
            "internetGateway": self.gateway.result().reference(),
            "vpcId": self.vpc.identity,
            "publicSubnetIds": self.ids["Public"],
            "privateSubnetIds": self.ids["Private"],
            "isolatedSubnetIds": self.ids["Isolated"],
            "subnetLayout": layout,
        }


class AwsxServicer(Servicer):
    """Builds ``awsx:ec2:Vpc``; every other type of awsx is refused by name."""

    version = metadata.version("pulumi-awsx")
    secrets = True  # The engine constructs a component only where this holds.

    def Construct(self, request: Any, context: Any) -> Any:
        if request.type != VPC:
            words = f"the rehearsal has no stand-in for {request.type}"
            fail(context, request.name, "constructing", ValueError(words))
        try:
            with Monitor(request) as monitor:
                urn = monitor.component(request)
                builder = Builder(monitor, request.name, values(request.inputs), urn)
                outputs = builder.build()
                monitor.finish(urn)
        except (ValueError, KeyError) as problem:
            fail(context, request.name, "constructing", problem)
        return pb.ConstructResponse(urn=urn, state=struct(outputs))
