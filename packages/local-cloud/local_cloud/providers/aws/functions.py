"""The functions of the aws provider that the stand-in has, each as a call of AWS's API."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from local_cloud.aws.hooks import ACCOUNT
from local_cloud.calls import Calls, Values
from local_cloud.providers.aws.policy_document import policy_document
from local_cloud.providers.kind import filters, path

Function = Callable[[Calls, Values], Mapping[str, Any]]


def caller_identity(calls: Calls, _: Values) -> Values:
    found = calls("sts", "get_caller_identity", {})
    account = found["Account"]
    return {"accountId": account, "id": account, "arn": found["Arn"], "userId": found["UserId"]}


def region(calls: Calls, _: Values) -> Values:
    return {"id": calls.region, "name": calls.region, "region": calls.region}


def availability_zones(calls: Calls, asked: Values) -> Values:
    """Answer ``aws.get_availability_zones``.

    Sorted by name, as in terraform-provider-aws (data source aws_availability_zones).
    """
    chosen = {"Filters": _filters(asked, state=asked.get("state"))}
    found = calls("ec2", "describe_availability_zones", chosen)["AvailabilityZones"]
    zones = sorted(found, key=lambda zone: str(zone["ZoneName"]))
    return {
        "id": calls.region,
        "region": calls.region,
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone["ZoneId"] for zone in zones],
        "groupNames": sorted({zone.get("GroupName") or calls.region for zone in zones}),
    }


def _filters(asked: Values, **more: str | None) -> list[Values]:
    """Return the filters of a function: those of ``filters``, of ``tags``, and of other arguments that are given."""
    given = [
        {"Name": condition["name"], "Values": list(condition["values"])}
        for condition in asked.get("filters") or ()
    ]
    named = {f"tag:{key}": value for key, value in (asked.get("tags") or {}).items()}
    named |= {name.replace("_", "-"): value for name, value in more.items() if value}
    return given + filters(named)


def vpc(calls: Calls, asked: Values) -> Values:
    """Answer ``aws.ec2.get_vpc``. ``default`` false is no filter (terraform-provider-aws, vpc_data_source.go)."""
    chosen = _filters(
        asked,
        cidr=asked.get("cidrBlock"),
        dhcp_options_id=asked.get("dhcpOptionsId"),
        isDefault="true" if asked.get("default") else None,
        state=asked.get("state"),
    )
    only = {"VpcIds": [asked["id"]]} if asked.get("id") else {}
    found = calls("ec2", "describe_vpcs", {"Filters": chosen, **only})["Vpcs"]
    return _vpc(calls, _only(found, "EC2 VPC"))


def _only(found: list[Values], what: str) -> Values:
    """Return the only one that was found. Raises ValueError in the provider's words."""
    if len(found) > 1:
        reduce = f"use additional constraints to reduce matches to a single {what}"
        raise ValueError(f"multiple {what}s matched; {reduce}")
    if not found:
        raise ValueError(f"no matching {what} found")
    return found[0]


def _named(found: Values, *names: str) -> Values:
    """Return the outputs that AWS has by the same name."""
    return {name: found.get(name[0].upper() + name[1:]) for name in names}


def _vpc(calls: Calls, found: Values) -> Values:
    identity = found["VpcId"]
    main = filters({"vpc-id": identity, "association.main": "true"})
    table = calls("ec2", "describe_route_tables", {"Filters": main})
    names = ("enableDnsHostnames", "enableDnsSupport", "enableNetworkAddressUsageMetrics")
    attributes = {
        name: calls("ec2", "describe_vpc_attribute", {"VpcId": identity, "Attribute": name})[
            name[0].upper() + name[1:]
        ]["Value"]
        for name in names
    }
    blocks = "[].{associationId: AssociationId, cidrBlock: CidrBlock, state: CidrBlockState.State}"
    return attributes | {
        **_named(found, "cidrBlock", "dhcpOptionsId", "instanceTenancy", "ownerId", "state"),
        "id": identity,
        "arn": f"arn:aws:ec2:{calls.region}:{ACCOUNT}:vpc/{identity}",
        "cidrBlockAssociations": path(f"CidrBlockAssociationSet{blocks}", found) or [],
        "default": found["IsDefault"],
        "ipv6AssociationId": path("Ipv6CidrBlockAssociationSet[0].AssociationId", found) or "",
        "ipv6CidrBlock": path("Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock", found) or "",
        "mainRouteTableId": path("RouteTables[0].RouteTableId", table),
        "region": calls.region,
        "tags": _tags(found),
    }


def _tags(found: Values) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in found.get("Tags") or ()}


def subnets(calls: Calls, asked: Values) -> Values:
    """Answer ``aws.ec2.get_subnets``. No subnet is no error (terraform-provider-aws, vpc_subnets_data_source.go)."""
    found = calls("ec2", "describe_subnets", {"Filters": _filters(asked)})["Subnets"]
    return {
        "id": calls.region,
        "region": calls.region,
        "ids": [subnet["SubnetId"] for subnet in found],
        "filters": asked.get("filters"),
        "tags": asked.get("tags") or {},
    }


def ecr_token(calls: Calls, asked: Values) -> Values:
    """Answer ``aws.ecr.get_authorization_token`` and ``get_credentials``: user and password of Docker's log-in."""
    only = {"registryIds": [asked["registryId"]]} if asked.get("registryId") else {}
    [found] = calls("ecr", "get_authorization_token", only)["authorizationData"]
    user, _, password = base64.b64decode(found["authorizationToken"]).decode().partition(":")
    return {
        "id": calls.region,
        "region": calls.region,
        "registryId": asked.get("registryId"),
        "authorizationToken": found["authorizationToken"],
        "expiresAt": found["expiresAt"].isoformat(),
        "proxyEndpoint": found["proxyEndpoint"],
        "userName": user,
        "password": password,
    }


def partition(_calls: Calls, _: Values) -> Values:
    return {"id": "aws", "partition": "aws", "dnsSuffix": "amazonaws.com"}


def parameter(calls: Calls, asked: Values) -> Values:
    """Answer ``aws.ssm.get_parameter``. A value that is not a SecureString is also the ``insecureValue``."""
    found = calls("ssm", "get_parameter", {"Name": asked["name"], "WithDecryption": True})
    held = found["Parameter"]
    return {
        **_named(held, "name", "type", "value", "version"),
        "id": held["Name"],
        "arn": held["ARN"],
        "insecureValue": held["Value"] if held["Type"] != "SecureString" else "",
    }


def prefix_list(calls: Calls, asked: Values) -> Values:
    """Answer ``aws.ec2.get_managed_prefix_list`` (terraform-provider-aws, vpc_managed_prefix_list_data_source.go).

    AWS's own lists have no maximum, which is 0 then.
    """
    params: Values = {"Filters": _filters(asked, prefix_list_name=asked.get("name"))}
    params |= {"PrefixListIds": [asked["id"]]} if asked.get("id") else {}
    found = calls("ec2", "describe_managed_prefix_lists", params)["PrefixLists"]
    held = _only(found, "EC2 Managed Prefix List")
    only = {"PrefixListId": held["PrefixListId"]}
    entries = calls("ec2", "get_managed_prefix_list_entries", only)["Entries"]
    return {
        **_named(held, "addressFamily", "ownerId"),
        "id": held["PrefixListId"],
        "arn": held["PrefixListArn"],
        "entries": [
            {"cidr": each["Cidr"], "description": each.get("Description") or ""} for each in entries
        ],
        "maxEntries": held.get("MaxEntries") or 0,
        "name": held["PrefixListName"],
        "region": calls.region,
        "tags": _tags(held),
        "version": held.get("Version") or 0,
    }


def service_quota(calls: Calls, asked: Values) -> Values:
    """Answer ``aws.servicequotas.get_service_quota`` by code, with the default where the account has no value.

    terraform-provider-aws, service_quota_data_source.go, asks for the default first.
    """
    named = {"ServiceCode": asked["serviceCode"], "QuotaCode": asked["quotaCode"]}
    usual = calls("service-quotas", "get_aws_default_service_quota", named)["Quota"]
    held = calls("service-quotas", "get_service_quota", named)["Quota"]
    quota = _named(held, "adjustable", "globalQuota", "quotaCode", "quotaName", "value")
    return {
        **quota,
        **_named(held, "serviceCode", "serviceName"),
        "id": held["QuotaArn"],
        "arn": held["QuotaArn"],
        "defaultValue": usual["Value"],
        "region": calls.region,
        "usageMetrics": [],
    }


FUNCTIONS: Mapping[str, Function] = {
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": prefix_list,
    "aws:ec2/getSubnets:getSubnets": subnets,
    "aws:ec2/getVpc:getVpc": vpc,
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": ecr_token,
    "aws:ecr/getCredentials:getCredentials": ecr_token,
    "aws:iam/getPolicyDocument:getPolicyDocument": policy_document,
    "aws:index/getAvailabilityZones:getAvailabilityZones": availability_zones,
    "aws:index/getCallerIdentity:getCallerIdentity": caller_identity,
    "aws:index/getPartition:getPartition": partition,
    "aws:index/getRegion:getRegion": region,
    "aws:servicequotas/getServiceQuota:getServiceQuota": service_quota,
    "aws:ssm/getParameter:getParameter": parameter,
}
"""Every function of the stand-in, by its token."""
