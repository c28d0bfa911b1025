"""Service Quotas of Fargate and EC2, which moto lacks, in addition to those of VPC."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from moto.servicequotas.resources.default_quotas.vpc import VPC_DEFAULT_QUOTAS

from tools.local_cloud.aws.hooks import ACCOUNT, Params, Refused, instead, registry

NEW_ACCOUNT = 6.0
"""vCPUs (AWS General Reference, "AWS Fargate endpoints and quotas", default of both resource counts)."""
FARGATE = (
    ("L-3032A538", "Fargate On-Demand vCPU resource count", "Standard/OnDemand"),
    ("L-36FBB829", "Fargate Spot vCPU resource count", "Standard/Spot"),
)
granted: dict[str, float] = {}
"""Values by quota code that were increased since the local cloud was started."""


def install() -> None:
    """Reset the quotas to those of a new account. The hooks are registered by the import."""
    granted.clear()


def _fargate(code: str, name: str, kind: str, value: float) -> Params:
    return {
        "ServiceCode": "fargate",
        "ServiceName": "AWS Fargate",
        "QuotaArn": f"arn:aws:servicequotas:{registry.region}:{ACCOUNT}:fargate/{code}",
        "QuotaCode": code,
        "QuotaName": name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
        "UsageMetric": {
            "MetricNamespace": "AWS/Usage",
            "MetricName": "ResourceCount",
            "MetricDimensions": {
                "Class": kind,
                "Resource": "vCPU",
                "Service": "Fargate",
                "Type": "Resource",
            },
            "MetricStatisticRecommendation": "Maximum",
        },
    }


def _addresses() -> Params:
    """Return AWS's default for Elastic IP addresses (VPC user guide, "Amazon VPC quotas")."""
    return {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": f"arn:aws:servicequotas:{registry.region}:{ACCOUNT}:ec2/L-0263D0A3",
        "QuotaCode": "L-0263D0A3",
        "QuotaName": "EC2-VPC Elastic IPs",
        "Value": 5.0,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _of(params: Params, default: bool) -> list[dict[str, Any]]:
    """Return a service's quotas, or with ``default`` those of a new account."""
    service = params["ServiceCode"]
    if service == "vpc":
        return list(VPC_DEFAULT_QUOTAS)
    if service == "ec2":
        return [_addresses()]
    if service == "fargate":
        values = {} if default else granted
        return [_fargate(*each, values.get(each[0], NEW_ACCOUNT)) for each in FARGATE]
    raise Refused(
        "NoSuchResourceException",
        "This service is not available in the current Region. "
        "Choose a different Region or a different service.",
    )


def _one(params: Params, default: bool = False) -> dict[str, Any]:
    for each in _of(params, default):
        if each["QuotaCode"] == params["QuotaCode"]:
            return each
    raise Refused("NoSuchResourceException", "The specified quota does not exist.")


@instead("service-quotas", "GetServiceQuota")
def get(params: Params) -> Params:
    return {"Quota": _one(params)}


@instead("service-quotas", "GetAWSDefaultServiceQuota")
def get_default(params: Params) -> Params:
    return {"Quota": _one(params, default=True)}


@instead("service-quotas", "ListServiceQuotas")
def list_all(params: Params) -> Params:
    code = params.get("QuotaCode")
    return {"Quotas": [each for each in _of(params, False) if code in (None, each["QuotaCode"])]}


@instead("service-quotas", "ListAWSDefaultServiceQuotas")
def list_defaults(params: Params) -> Params:
    return {"Quotas": _of(params, True)}


@instead("service-quotas", "RequestServiceQuotaIncrease")
def request(params: Params) -> Params:
    """Grant an increase at once. On AWS small increases are approved after some time."""
    quota, wanted = _one(params), float(params["DesiredValue"])
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
