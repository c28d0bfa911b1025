"""The stand-in for awsx: ``awsx:ec2:Vpc`` with the same children, names and addresses as the real one.

It registers the children by the engine's protocol, as the real provider does with Pulumi's Node.js library
(pulumi-awsx 3.11, ``awsx/ec2/vpc.ts``).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import resource_pb2, resource_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN, _special_resource_sig, _special_sig_key

from local_cloud.providers.awsx_subnets import Subnet, lay_out, mask_of
from local_cloud.providers.servicer import VERSIONS, Servicer, Values, fail, struct, values

VPC = "awsx:ec2:Vpc"
OF_AWSX = {
    *("availabilityZoneCidrMask", "availabilityZoneNames", "numberOfAvailabilityZones"),
    *("natGateways", "subnetSpecs", "subnetStrategy", "tags"),
}
"""The arguments that awsx uses. All others are passed to ``aws:ec2/vpc:Vpc``."""
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
        """Return the child as an output of the component, which the SDK converts to a resource."""
        return {_special_sig_key: _special_resource_sig, "urn": self.urn, "id": self.identity}


class Monitor:
    """The engine's resource monitor for one Construct call."""

    def __init__(self, request: Any) -> None:
        self._channel = grpc.insecure_channel(request.monitorEndpoint)
        self._stub = resource_pb2_grpc.ResourceMonitorStub(self._channel)
        self._providers = dict(request.providers)
        self.component_urn = ""

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def zones(self, count: int) -> list[str]:
        """Return the names of the region's first zones. Raises ``ValueError`` where it has fewer."""
        answer = self._stub.Invoke(
            resource_pb2.ResourceInvokeRequest(
                tok="aws:index/getAvailabilityZones:getAvailabilityZones",
                args=struct({}),
                provider=self._providers.get("aws", ""),
                version=VERSIONS["aws"],
            )
        )
        names: list[str] = values(getattr(answer, "return"))["names"][:count]
        if len(names) < count:
            raise ValueError(f"the region has {len(names)} zones, not {count}: {names}")
        return names

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
        """Register one child. ``links`` are the inputs that are another child's id."""
        # Children of the component do not depend on it, because it is complete only after them.
        parents = {parent} - {self.component_urn}
        dependencies = sorted(parents | {child.urn for child in links.values()})
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
                version=VERSIONS["aws"],
            )
        )
        made = values(answer.object)
        return Child(urn=answer.urn, identity=answer.id or UNKNOWN, outputs=made)

    def finish(self, urn: str) -> None:
        """Complete the component. As with the real provider it has no outputs in the state."""
        self._stub.RegisterResourceOutputs(resource_pb2.RegisterResourceOutputsRequest(urn=urn))


class VpcChildren:
    def __init__(self, monitor: Monitor, name: str, args: Values, urn: str) -> None:
        self.monitor, self.name, self.urn = monitor, name, urn
        self.args = {"cidrBlock": "10.0.0.0/16", **args}
        self.tags: Values = {"Name": name, **args.get("tags", {})}
        nat = {"strategy": "OnePerAz", **(args.get("natGateways") or {})}
        if others := sorted(nat.keys() - {"strategy"}):
            raise ValueError(f"natGateways: the stand-in has no {', '.join(others)}")
        self.strategy = str(nat["strategy"]).lower()
        if self.strategy not in STRATEGIES:
            raise ValueError(
                f"natGateways.strategy: {self.strategy!r} is none of {sorted(STRATEGIES)}"
            )
        if {"availabilityZoneNames", "numberOfAvailabilityZones"} <= {*args}:
            raise ValueError(
                "availabilityZoneNames and numberOfAvailabilityZones: only one of them"
            )
        self.zones: list[str] = args.get("availabilityZoneNames") or monitor.zones(
            int(args.get("numberOfAvailabilityZones") or 3)
        )
        self.lists: dict[str, list[Child]] = {output: [] for output in OUTPUTS.values()}

    def build(self) -> Values:
        """Register all children and return the component's outputs.

        As in the real awsx each child starts when the children that it needs exist. For example, NAT
        gateways do not wait for the internet gateway.
        """
        subnets = self.layout()
        own = {key: value for key, value in self.args.items() if key not in OF_AWSX}
        self.vpc = self.monitor.add(
            "aws:ec2/vpc:Vpc", self.name, {**own, "tags": self.tags}, self.urn, {}
        )
        # Each task waits only for earlier ones, so that any number of threads is enough.
        with ThreadPoolExecutor() as pool:
            self.gateway = pool.submit(self.internet_gateway)
            self.made = {subnet.name: pool.submit(self.subnet, subnet) for subnet in subnets}
            self.nats = {
                subnet.zone: pool.submit(self.nat, subnet)
                for subnet in subnets
                if subnet.kind == "Public" and self.needs_nat(subnet.zone)
            }
            routed = [pool.submit(self.routes, subnet) for subnet in subnets]
        for future in routed:
            future.result()
        return self.outputs(subnets)

    def add(
        self, kind: str, name: str, inputs: Values, parent: str, links: Mapping[str, Child]
    ) -> Child:
        """Register one child and list it among the component's outputs."""
        made = self.monitor.add(kind, name, inputs, parent, links)
        self.lists[OUTPUTS[kind]].append(made)
        return made

    def internet_gateway(self) -> Child:
        return self.monitor.add(
            "aws:ec2/internetGateway:InternetGateway",
            self.name,
            {"tags": self.tags},
            self.vpc.urn,
            {"vpcId": self.vpc},
        )

    def layout(self) -> list[Subnet]:
        """Return the subnets to register, zone by zone."""
        order = {"Public": 0, "Private": 1, "Isolated": 2}
        subnets = lay_out(self.name, self.zones, self.args)
        kinds = {subnet.kind for subnet in subnets}
        if self.strategy != "none" and not {"Public"} < kinds:
            raise ValueError(
                "natGateways.strategy OnePerAz or Single needs public subnets, and others that use them"
            )
        return sorted(subnets, key=lambda each: (self.zones.index(each.zone), order[each.kind]))

    def subnet(self, subnet: Subnet) -> Child:
        tags = {**self.tags, **subnet.tags, "Name": subnet.name, "SubnetType": subnet.kind}
        return self.add(
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

    def routes(self, subnet: Subnet) -> None:
        """Register a subnet's route table, its association and its default route."""
        made = self.made[subnet.name].result()
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
        self.default_route(subnet, table)

    def needs_nat(self, zone: str) -> bool:
        return self.strategy == "oneperaz" or (self.strategy == "single" and zone == self.zones[0])

    def nat(self, public: Subnet) -> Child:
        """Register a NAT gateway with its Elastic IP address."""
        subnet = self.made[public.name].result()
        name = f"{self.name}-{self.zones.index(public.zone) + 1}"
        tags = {**self.args.get("tags", {}), "Name": name}
        address = self.add("aws:ec2/eip:Eip", name, {"tags": tags}, subnet.urn, {})
        return self.add(
            "aws:ec2/natGateway:NatGateway",
            name,
            {"tags": tags},
            subnet.urn,
            {"subnetId": subnet, "allocationId": address},
        )

    def default_route(self, subnet: Subnet, table: Child) -> None:
        """Register the default route: public to the internet gateway, private to NAT, isolated none."""
        links = {"routeTableId": table}
        if subnet.kind == "Public":
            links["gatewayId"] = self.gateway.result()
        elif subnet.kind == "Private" and self.strategy != "none":
            zone = self.zones[0] if self.strategy == "single" else subnet.zone
            links["natGatewayId"] = self.nats[zone].result()
        else:
            return
        everywhere = {"destinationCidrBlock": "0.0.0.0/0"}
        self.add("aws:ec2/route:Route", subnet.name, everywhere, table.urn, links)

    def outputs(self, subnets: list[Subnet]) -> Values:
        zone = [subnet for subnet in subnets if subnet.zone == self.zones[0]]
        first = sorted(zone, key=lambda subnet: subnet.cidr)
        specs = self.args.get("subnetSpecs") or [
            {"type": subnet.kind, "cidrMask": subnet.cidr.prefixlen} for subnet in first
        ]
        masks = [mask_of(spec) for spec in specs]
        layout = [
            {**spec, "cidrMask": mask, "size": mask and 1 << (32 - mask)}
            for spec, mask in zip(specs, masks, strict=True)
        ]
        children = {
            output: [child.reference() for child in sorted(made, key=lambda child: child.urn)]
            for output, made in self.lists.items()
        }
        kinds: Values = {}
        for kind in ("Public", "Private", "Isolated"):
            made = [self.made[subnet.name].result() for subnet in subnets if subnet.kind == kind]
            kinds[f"{kind.lower()}Subnets"] = [child.reference() for child in made]
            kinds[f"{kind.lower()}SubnetIds"] = [child.identity for child in made]
        return {
            **children,
            **kinds,
            "vpc": self.vpc.reference(),
            "vpcEndpoints": [],
            "internetGateway": self.gateway.result().reference(),
            "vpcId": self.vpc.identity,
            "subnetLayout": layout,
        }

    def dependencies(self, outputs: Values) -> dict[str, list[str]]:
        """Return the URNs that each output depends on: the VPC, all subnets, and the output's own children.

        So it is in the provider's recordings of itself (pulumi-awsx, ``provider/testdata/recorded``): the outputs are
        parts of one Pulumi output, which contains the ids of the VPC and the subnets.
        """
        common = {self.vpc.urn, *(subnet.urn for subnet in self.lists["subnets"])}
        return {name: sorted(common | _urns(value)) for name, value in outputs.items()}


def _urns(output: Any) -> set[str]:
    listed = output if isinstance(output, list) else [output]
    return {each["urn"] for each in listed if isinstance(each, Mapping) and "urn" in each}


class AwsxServicer(Servicer):
    """Construct ``awsx:ec2:Vpc``. Every other type is an error."""

    version = VERSIONS["awsx"]
    secrets = True  # The engine constructs a component only where this holds.

    def Construct(self, request: Any, context: Any) -> Any:
        if request.type != VPC:
            words = f"the local cloud has no stand-in for {request.type}; of awsx it has {VPC}"
            fail(context, request.name, "constructing", ValueError(words))
        try:
            with Monitor(request) as monitor:
                urn = monitor.component(request)
                builder = VpcChildren(monitor, request.name, values(request.inputs), urn)
                outputs = builder.build()
                dependencies = builder.dependencies(outputs)
                monitor.finish(urn)
        except (ValueError, KeyError) as problem:
            fail(context, request.name, "constructing", problem)
        return pb.ConstructResponse(
            urn=urn,
            state=struct(outputs),
            stateDependencies={
                name: pb.ConstructResponse.PropertyDependencies(urns=urns)
                for name, urns in dependencies.items()
            },
        )
