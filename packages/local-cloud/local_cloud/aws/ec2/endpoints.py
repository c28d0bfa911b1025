"""The services of VPC endpoints: moto's own list of them, which fails without the libraries of CloudFormation."""

from typing import Any

from moto.ec2.models import vpcs
from moto.ec2.models.vpcs import VPCBackend

from local_cloud.aws.hooks import ACCOUNT, Params, Refusals, backend, registry

_filtered = VPCBackend._filter_endpoint_services


def install() -> None:
    """Leave CloudFormation out of moto's list, and filter it as it is asked for. A second call changes nothing."""
    loaded = {*vpcs.IMPLEMENTED_ENDPOINT_SERVICES} - {"cloudformation"}
    vpcs.IMPLEMENTED_ENDPOINT_SERVICES[:] = sorted(loaded)
    VPCBackend._filter_endpoint_services = staticmethod(_by_values)  # type: ignore[assignment]


def _by_values(names: list[str], filters: list[Params], services: list[Params]) -> Any:
    """Filter the services; moto reads a filter's Value, and is given its Values."""
    return _filtered(names, [{**each, "Value": each["Values"]} for each in filters], services)


def _unknown_service(given: Params) -> str | None:
    """Return a service that AWS does not have in the region, by moto's list of them."""
    services = VPCBackend._collect_default_endpoint_services(ACCOUNT, registry.region)
    name: str = given["ServiceName"]
    return None if name in [service["ServiceName"] for service in services] else name


def _without_dns(given: Params) -> Any:
    """Return the VPC of an endpoint with private DNS that lacks one of the attributes for it."""
    vpc = backend("ec2").get_vpc(given["VpcId"])
    known = (str(each).lower() for each in (vpc.enable_dns_support, vpc.enable_dns_hostnames))
    private = given.get("PrivateDnsEnabled", True) and given.get("VpcEndpointType") == "Interface"
    return vpc.id if private and {*known} != {"true"} else None


# fmt: off
REFUSALS: Refusals = {
    # Messages: terraform-aws-modules/terraform-aws-vpc issue 481; as reported by users of Terraform.
    "ec2 CreateVpcEndpoint": (
        ("InvalidServiceName", "The Vpc Endpoint Service '{}' does not exist", _unknown_service),
        ("InvalidParameter", "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC "
         "attributes set to true for {}", _without_dns),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""
