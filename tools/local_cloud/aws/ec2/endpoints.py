"""The services of VPC endpoints: which there are."""

from __future__ import annotations

from moto.ec2.models.vpcs import AWS_ENDPOINT_SERVICES, COVERED_ENDPOINT_SERVICES

from tools.local_cloud.aws.hooks import Params, Refused, before, registry


@before("ec2", "CreateVpcEndpoint")
def service_exists(params: Params) -> None:
    """Refuse a service that AWS does not have in the region, by moto's list of them.

    Error message: terraform-aws-modules/terraform-aws-vpc issue 481.
    """
    name, names = params["ServiceName"], {*AWS_ENDPOINT_SERVICES, *COVERED_ENDPOINT_SERVICES}
    if name not in {f"com.amazonaws.{registry.region}.{each}" for each in names}:
        words = f"The Vpc Endpoint Service '{name}' does not exist"
        raise Refused("InvalidServiceName", words)
