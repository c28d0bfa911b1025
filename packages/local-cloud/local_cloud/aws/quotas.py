"""Service Quotas of Fargate and EC2, which moto lacks, in addition to those of VPC."""

import uuid
from datetime import UTC, datetime
from typing import Any

from moto.servicequotas.resources.default_quotas.vpc import VPC_DEFAULT_QUOTAS

from local_cloud.aws.hooks import ACCOUNT, Params, Refused, instead, registry

FARGATE, EC2 = "AWS Fargate", "Amazon Elastic Compute Cloud (Amazon EC2)"
QUOTAS = (
    ("fargate", FARGATE, "L-3032A538", "Fargate On-Demand vCPU resource count", 6.0),
    ("fargate", FARGATE, "L-36FBB829", "Fargate Spot vCPU resource count", 6.0),
    ("ec2", EC2, "L-0263D0A3", "EC2-VPC Elastic IPs", 5.0),
)
"""Those of a new account (AWS General Reference, "AWS Fargate endpoints and quotas"; VPC user guide, "Amazon VPC
quotas")."""
granted: dict[str, float] = {}
"""Values by quota code that were increased since the local cloud was started."""


def install() -> None:
    """Reset the quotas to those of a new account."""
    granted.clear()


def _quota(params: Params, default: bool = False) -> dict[str, Any]:
    """Return the quota of a code, or with ``default`` that of a new account. Raises Refused."""
    found = next((quota for quota in QUOTAS if quota[2] == params["QuotaCode"]), None)
    wanted = (params["ServiceCode"], params["QuotaCode"])
    for quota in VPC_DEFAULT_QUOTAS:
        if (quota["ServiceCode"], quota["QuotaCode"]) == wanted:
            return quota
    if found is None or found[0] != params["ServiceCode"]:
        raise Refused("NoSuchResourceException", "The specified quota does not exist.")
    service, title, code, name, value = found
    return {
        "ServiceCode": service,
        "ServiceName": title,
        "QuotaArn": f"arn:aws:servicequotas:{registry.region}:{ACCOUNT}:{service}/{code}",
        "QuotaCode": code,
        "QuotaName": name,
        "Value": value if default else granted.get(code, value),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


@instead("service-quotas", "GetServiceQuota")
def get(params: Params) -> Params:
    return {"Quota": _quota(params)}


@instead("service-quotas", "GetAWSDefaultServiceQuota")
def get_default(params: Params) -> Params:
    return {"Quota": _quota(params, default=True)}


@instead("service-quotas", "RequestServiceQuotaIncrease")
def request(params: Params) -> Params:
    """Grant an increase at once. On AWS small increases are approved after some time."""
    quota, wanted = _quota(params), float(params["DesiredValue"])
    if not quota["Adjustable"] or params["ServiceCode"] != "fargate":
        raise Refused("InvalidResourceStateException", "The quota is not adjustable here.")
    if wanted <= quota["Value"]:
        raise Refused(
            "IllegalArgumentException",
            "You must provide a quota value greater than the current quota value.",
        )
    granted[quota["QuotaCode"]] = wanted
    now = datetime.now(UTC)
    fields = ("ServiceCode", "ServiceName", "QuotaCode", "QuotaName", "QuotaArn", "Unit")
    asked = {key: quota[key] for key in fields} | {"GlobalQuota": False, "DesiredValue": wanted}
    times = {"Created": now, "LastUpdated": now}
    return {"RequestedQuota": asked | times | {"Id": uuid.uuid4().hex, "Status": "APPROVED"}}
