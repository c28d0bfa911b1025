"""The services of VPC endpoints: which there are, for moto's own answer fails."""

import hashlib
from typing import Any

from moto.ec2.models.vpcs import AWS_ENDPOINT_SERVICES, COVERED_ENDPOINT_SERVICES

from local_cloud.aws.hooks import Params, Refusals, Refused, backend, instead, registry

GATEWAYS = ("dynamodb", "s3")
"""The services with gateway endpoints, too (VPC user guide, "Gateway endpoints")."""
NAMES = sorted({*AWS_ENDPOINT_SERVICES, *COVERED_ENDPOINT_SERVICES})


def _unknown_service(given: Params) -> str | None:
    """Return a service that AWS does not have in the region, by moto's list of them."""
    known = {service["ServiceName"] for service in _services()}
    named = given.get("ServiceNames") or filter(None, [given.get("ServiceName")])
    return next((name for name in named if name not in known), None)


def _without_dns(given: Params) -> Any:
    """Return the VPC of an endpoint with private DNS that lacks one of the attributes for it."""
    vpc = backend("ec2").get_vpc(given["VpcId"])
    known = (str(each).lower() for each in (vpc.enable_dns_support, vpc.enable_dns_hostnames))
    private = given.get("PrivateDnsEnabled", True) and given.get("VpcEndpointType") == "Interface"
    return vpc.id if private and {*known} != {"true"} else None


# fmt: off
REFUSALS: Refusals = {
    # Messages: terraform-aws-modules/terraform-aws-vpc issue 481; as reported by users of Terraform.
    "ec2 CreateVpcEndpoint DescribeVpcEndpointServices": (
        ("InvalidServiceName", "The Vpc Endpoint Service '{}' does not exist", _unknown_service),
    ),
    "ec2 CreateVpcEndpoint": (
        ("InvalidParameter", "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC "
         "attributes set to true for {}", _without_dns),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""


def _services() -> list[Params]:
    """Return AWS's endpoint services of the region: of S3 and DynamoDB one for a gateway, too."""
    region = registry.region
    zones = [zone.name for zone in backend("ec2").describe_availability_zones()]
    found = []
    for name in NAMES:
        kinds = ("Gateway", "Interface") if name in GATEWAYS else ("Interface",)
        found += [_service(f"com.amazonaws.{region}.{name}", kind, zones) for kind in kinds]
    return found


def _service(name: str, kind: str, zones: list[str]) -> Params:
    host = ".".join(reversed(name.split(".")[2:]))
    private = {} if kind == "Gateway" else {"PrivateDnsName": f"{host}.amazonaws.com"}
    return {
        "ServiceName": name,
        "ServiceId": f"vpce-svc-{hashlib.sha256(f'{name}{kind}'.encode()).hexdigest()[:17]}",
        "ServiceType": [{"ServiceType": kind}],
        "ServiceRegion": registry.region,
        "AvailabilityZones": zones,
        "Owner": "amazon",
        "BaseEndpointDnsNames": [f"{host}.vpce.amazonaws.com"],
        "VpcEndpointPolicySupported": True,
        "AcceptanceRequired": False,
        "ManagesVpcEndpoints": False,
        "Tags": [],
        **private,
    }


@instead("ec2", "DescribeVpcEndpointServices")
def endpoint_services(params: Params) -> Params:
    """Return AWS's endpoint services, all on one page; moto's answer fails."""
    found, names = _services(), params.get("ServiceNames") or []
    for wanted in params.get("Filters") or []:
        if wanted["Name"] not in ("service-name", "service-type"):
            words = f"The filter '{wanted['Name']}' is invalid"
            raise Refused("InvalidParameterValue", words)
        found = [
            service
            for service in found
            if (service["ServiceName"], service["ServiceType"][0]["ServiceType"])[
                wanted["Name"] == "service-type"
            ]
            in wanted["Values"]
        ]
    found = [service for service in found if not names or service["ServiceName"] in names]
    return {"ServiceNames": [service["ServiceName"] for service in found], "ServiceDetails": found}
