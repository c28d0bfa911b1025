"""The stand-in for awsx.ec2.Vpc registers what the real provider was recorded to register, to the letter."""

import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from ipaddress import IPv4Network
from pathlib import Path

import grpc
import pytest
import yaml
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, resource_pb2, resource_pb2_grpc
from pulumi_awsx.ec2 import Vpc

from local_cloud.providers.awsx import AwsxServicer
from local_cloud.providers.awsx_subnets import lay_out
from local_cloud.providers.servicer import struct, values

RECORDED = yaml.safe_load((Path(__file__).parent / "recorded" / "vpc.yaml").read_text())
STRATEGIES = ["None", "OnePerAz", "Single"]
ARGS = {
    "cidrBlock": "10.0.0.0/16",
    "enableDnsHostnames": True,
    "tags": {"project": "careapp"},
    "availabilityZoneNames": ["ap-northeast-1a", "ap-northeast-1c"],
    "availabilityZoneCidrMask": 17,
    "subnetStrategy": "Auto",
    "subnetSpecs": [
        {"type": "Public", "name": "public", "cidrMask": 24},
        {"type": "Private", "name": "private", "cidrMask": 20},
        {"type": "Isolated", "name": "database", "cidrMask": 24},
    ],
}
# The recording's provider stand-in had no allocationId to give, so its NAT gateways show none.
NOT_RECORDED = {"allocationId"}


COMPONENT, LAST = "the component", "careapp-poc-database-2"


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Notes every registration; ids carry the type, as in the recording."""

    def __init__(self):
        self.made, self.outputs = [], []
        self.last, self.late, self.released = threading.Event(), ("", ""), False
        """`late` is answered once LAST has been registered; `released` says whether it was."""

    def RegisterResource(self, request, _context):
        self.made.append(request)
        if (request.type, request.name) == self.late:
            self.released = self.last.wait(10)
        if request.name == LAST:
            self.last.set()
        short = request.type.rpartition(":")[2]
        # The recording calls the component and the VPC in it alike; the engine never does.
        urn = f"{short}/{request.name}" if request.custom else COMPONENT
        return resource_pb2.RegisterResourceResponse(
            urn=urn,
            id=f"${{{short}/{request.name}}}" if request.custom else "",
            object=request.object,
        )

    def Invoke(self, request, _context):
        assert request.tok.endswith(":getAvailabilityZones")
        return provider_pb2.InvokeResponse(**{"return": struct({"names": ["z1", "z2", "z3"]})})

    def RegisterResourceOutputs(self, request, _context):
        self.outputs.append(values(request.outputs))
        return empty_pb2.Empty()


@pytest.fixture
def monitor():
    servicer, server = Monitor(), grpc.server(ThreadPoolExecutor(4))
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(servicer, server)
    servicer.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer
    server.stop(None).wait()


class Context:
    """What a gRPC call ends with when the servicer refuses it."""

    def abort(self, _code, words):
        raise ValueError(words)


def construct(monitor, **changes):
    request = provider_pb2.ConstructRequest(
        type="awsx:ec2:Vpc",
        name="careapp-poc",
        parent="Stack/careapp-poc",
        monitorEndpoint=monitor.address,
        inputs=struct({**ARGS, **changes}),
    )
    return AwsxServicer().Construct(request, Context())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_children_are_those_of_the_real_provider(monitor, strategy):
    construct(monitor, natGateways={"strategy": strategy})
    made = [dict(resource) for resource in RECORDED["resources"]]
    expected = [resource for resource in made if strategy in resource.pop("strategies", STRATEGIES)]
    assert sorted(map(described, monitor.made), key=key) == sorted(expected, key=key)
    assert metadata.version("pulumi-awsx").startswith(f"{RECORDED['awsx']}."), "record it again"


def described(request):
    """A registration as recorded: without the EIP, whose id the recording lacked."""
    inputs = values(request.object)
    return {
        "type": request.type,
        "name": request.name,
        "parent": request.parent.replace(COMPONENT, "Vpc/careapp-poc"),
        "inputs": {name: value for name, value in inputs.items() if name not in NOT_RECORDED},
        "dependsOn": sorted(urn for urn in request.dependencies if not urn.startswith("Eip/")),
    }


def key(resource):
    return resource["type"], resource["name"]


def test_no_child_waits_for_one_that_it_does_not_need(monitor):
    monitor.late = ("aws:ec2/subnet:Subnet", "careapp-poc-public-1")
    construct(monitor, natGateways={"strategy": "Single"})
    assert monitor.released
    [nat] = [request for request in monitor.made if request.type.endswith("NatGateway")]
    assert values(nat.object)["allocationId"] == "${Eip/careapp-poc-1}", "which is not recorded"


def numbered(*kinds):
    """The subnets, or other children, of each kind in both zones."""
    return [f"{kind}-{number}" for kind in kinds for number in (1, 2)]


CHILDREN = {
    "publicSubnets": numbered("Subnet/careapp-poc-public"),
    "privateSubnets": numbered("Subnet/careapp-poc-private"),
    "isolatedSubnets": numbered("Subnet/careapp-poc-database"),
}
SUBNETS = {urn for urns in CHILDREN.values() for urn in urns}
OWN = {
    "natGateways": ["NatGateway/careapp-poc-1"],
    "eips": ["Eip/careapp-poc-1"],
    "internetGateway": ["InternetGateway/careapp-poc"],
    "routes": numbered("Route/careapp-poc-private", "Route/careapp-poc-public"),
}
"""The outputs with children of their own, apart from the VPC and the subnets."""


def test_the_outputs_are_those_of_the_sdk_and_depend_on_their_children(monitor):
    """And on the VPC and all subnets, as awsx has recorded itself (provider/testdata/recorded/TestProviderUpgrade)."""
    answer = construct(monitor, natGateways={"strategy": "Single"})
    state, outputs = values(answer.state), vars(Vpc).values()
    names = {output.fget._pulumi_name for output in outputs if isinstance(output, property)}
    assert names == set(state) == set(answer.stateDependencies)
    assert monitor.outputs == [{}], "the real one keeps no outputs in the state"
    plain = ("vpc", "vpcId", "vpcEndpoints", "subnetLayout", "subnets", "publicSubnets")
    for output in (*plain, "publicSubnetIds", "isolatedSubnets", "isolatedSubnetIds", *OWN):
        depends = {"Vpc/careapp-poc", *SUBNETS, *OWN.get(output, ())}
        assert set(answer.stateDependencies[output].urns) == depends
    assert state["vpcId"] == "${Vpc/careapp-poc}"
    assert state["internetGateway"]["id"] == "${InternetGateway/careapp-poc}"
    for name in ("natGateways", "routes", *CHILDREN):
        assert [child["urn"] for child in state[name]] == {**OWN, **CHILDREN}[name]
    for name, urns in CHILDREN.items():
        assert state[f"{name[:-1]}Ids"] == [f"${{{urn}}}" for urn in urns]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"natGateways": {"strategy": "both"}}, r"natGateways\.strategy: 'both' is none of"),
        ({"subnetStrategy": "Exact"}, "subnetStrategy: 'Exact' is none of"),
        ({"numberOfAvailabilityZones": 2}, "only one of them"),
        ({"availabilityZoneCidrMask": 16}, "has 1 blocks of /16, not one for each of"),
        ({"natGateways": {"elasticIpAllocationIds": ["a"]}}, "has no elasticIpAllocationIds"),
        ({"subnetSpecs": [{"type": "Public", "size": 300}]}, "public cannot have the size 300"),
        ({"subnetSpecs": [{"type": "Public", "size": 64, "cidrMask": 25}]}, "the size 64"),
        (
            {"subnetSpecs": [{"type": "Public"}, {"type": "Private", "cidrBlocks": ["a", "b"]}]},
            "public has 0 cidrBlocks",
        ),
        ({"subnetSpecs": [{"type": "Public", "cidrBlocks": ["10.0.0.0/24"] * 3}]}, "has 3 cidrBl"),
        ({"subnetSpecs": [{"type": "Private"}]}, "needs public subnets"),
        ({"availabilityZoneNames": None, "numberOfAvailabilityZones": 4}, "has 3 zones, not 4"),
    ],
)
def test_an_argument_that_is_not_known_is_refused_by_name(monitor, change, words):
    with pytest.raises(ValueError, match=words):
        construct(monitor, **change)


@pytest.mark.parametrize("zones", [2, 3, 4])
@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "10.4.0.0/16", "172.16.0.0/17"])
def test_subnets_stay_inside_the_vpc_and_never_overlap(zones, cidr):
    specs = [{**spec, "cidrMask": spec["cidrMask"] + 1} for spec in ARGS["subnetSpecs"]]
    args = {"cidrBlock": cidr, "subnetStrategy": "Auto", "subnetSpecs": specs}
    placed = [item.cidr for item in lay_out("v", [f"zone-{each}" for each in range(zones)], args)]
    assert len(placed) == 3 * zones
    assert all(net.subnet_of(IPv4Network(cidr)) for net in placed)
    assert not any(a.overlaps(b) for i, a in enumerate(placed) for b in placed[i + 1 :])


@pytest.mark.parametrize(("args", "expected"), RECORDED["layouts"])
def test_subnets_are_where_awsx_places_them(args, expected):
    named = {"Private": "p", "Public": "o", "Isolated": "i"}
    specs = [
        {"type": kind, **({"cidrMask": int(mask)} if mask else {})}
        for kind, _, mask in (each.partition(" ") for each in args.get("specs", ()))
    ]
    given = {"cidrBlock": "10.0.0.0/16", "subnetSpecs": specs, **args}
    placed = lay_out("v", args.get("zones", ["a"]), given)
    assert [f"{named[each.kind]} {each.cidr}" for each in placed] == expected


def test_subnets_that_do_not_fit_are_refused():
    args = {
        "cidrBlock": "10.0.0.0/21",
        "subnetStrategy": "Auto",
        "subnetSpecs": ARGS["subnetSpecs"],
    }
    with pytest.raises(
        ValueError, match=r"subnet private does not fit into its zone's 10\.0\.0\.0/21"
    ):
        lay_out("v", ["a"], args)


def test_a_vpc_without_arguments_has_the_region_s_first_three_zones(monitor):
    everything = dict.fromkeys(ARGS) | {"tags": {}}
    state = values(construct(monitor, **everything).state)
    made = [values(each.object) for each in monitor.made if each.type.endswith(":Subnet")]
    assert {subnet["availabilityZone"] for subnet in made} == {"z1", "z2", "z3"}
    assert [len(state[f"{kind}Subnets"]) for kind in ("public", "private", "isolated")] == [3, 3, 0]
    assert state["subnetLayout"][0] == {"type": "Private", "cidrMask": 19, "size": 8192}
