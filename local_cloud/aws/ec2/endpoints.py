"""The services of VPC endpoints: which there are, for moto's own answer fails."""

import hashlib

from moto.ec2.models.vpcs import AWS_ENDPOINT_SERVICES, COVERED_ENDPOINT_SERVICES

from local_cloud.aws.hooks import Params, Refused, backend, before, instead, registry

GATEWAYS = ("dynamodb", "s3")
"""The services with gateway endpoints, too (VPC user guide, "Gateway endpoints")."""
NAMES = sorted({*AWS_ENDPOINT_SERVICES, *COVERED_ENDPOINT_SERVICES})


@before("ec2", "CreateVpcEndpoint")
def service_exists(params: Params) -> None:
    """Refuse a service that AWS does not have in the region, by moto's list of them."""
    if params["ServiceName"] not in {service["ServiceName"] for service in _services()}:
        raise _no_service(params["ServiceName"])


@before("ec2", "CreateVpcEndpoint")
def private_dns_has_the_vpc_s(params: Params) -> None:
    """Refuse private DNS in a VPC without both attributes (message: as reported by users of Terraform)."""
    vpc = backend("ec2").get_vpc(params["VpcId"])
    known = (str(each).lower() for each in (vpc.enable_dns_support, vpc.enable_dns_hostnames))
    private = params.get("PrivateDnsEnabled", True)
    if params.get("VpcEndpointType") == "Interface" and private and {*known} != {"true"}:
        raise Refused(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for "
            f"{vpc.id}",
        )


def _no_service(name: str) -> Refused:
    """Return the error. Message: terraform-aws-modules/terraform-aws-vpc issue 481."""
    return Refused("InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist")


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
    for name in names:
        if name not in {each["ServiceName"] for each in found}:
            raise _no_service(name)
    for wanted in params.get("Filters") or []:
        if wanted["Name"] not in ("service-name", "service-type"):
            words = f"The filter '{wanted['Name']}' is invalid"
            raise Refused("InvalidParameterValue", words)
        found = [
            each
            for each in found
            if (each["ServiceName"], each["ServiceType"][0]["ServiceType"])[
                wanted["Name"] == "service-type"
            ]
            in wanted["Values"]
        ]
    found = [each for each in found if not names or each["ServiceName"] in names]
    return {"ServiceNames": [each["ServiceName"] for each in found], "ServiceDetails": found}
