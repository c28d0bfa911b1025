"""Answers that moto lacks or gives otherwise, which the AWS CLI and other people's tools for ECS read."""

import json
from typing import Any

from moto.events.models import EventPattern

from local_cloud.aws.ecs.rules import FARGATE
from local_cloud.aws.hooks import ACCOUNT, Params, backend, instead, registry
from local_cloud.aws.rds.offers import ENGINE, MAJOR

SETTINGS = {
    **dict.fromkeys(("awsvpcTrunking", "containerInsights", "fargateFIPSMode"), "disabled"),
    **dict.fromkeys(("serviceLongArnFormat", "taskLongArnFormat"), "enabled"),
    **dict.fromkeys(("containerInstanceLongArnFormat", "dualStackIPv6"), "enabled"),
    **dict.fromkeys(("guardDutyActivate", "tagResourceAuthorization"), "on"),
    "defaultLogDriverMode": "non-blocking",
    "fargateTaskRetirementWaitPeriod": "7",
}
"""The account settings of ECS where nobody changed them (ECS developer guide, "Account settings")."""
CERTIFICATES = {"rds-ca-rsa2048-g1": 2061, "rds-ca-rsa4096-g1": 2121, "rds-ca-ecc384-g1": 2121}
"""RDS's certificate authorities, with the years of their end (RDS user guide, "Using SSL/TLS")."""


@instead("ecs", "DescribeCapacityProviders")
def capacity_providers(params: Params) -> Params:
    """Return those of Fargate, which every account has (API reference); moto's answer fails."""
    place, asked = f"arn:aws:ecs:{registry.region}:{ACCOUNT}", params.get("capacityProviders")
    names = [str(provider).rpartition("/")[2] for provider in asked or FARGATE]
    return {
        "capacityProviders": [
            {"capacityProviderArn": f"{place}:capacity-provider/{name}", "name": name, "status": "ACTIVE", "tags": []}
            for name in names
            if name in FARGATE
        ],
        "failures": [
            {"arn": f"{place}:capacity-provider/{name}", "reason": "MISSING"}
            for name in names
            if name not in FARGATE
        ],
    }  # fmt: skip


@instead("ecs", "ListAccountSettings")
def account_settings(params: Params) -> Params:
    """Return the settings that were changed, and with effectiveSettings all others, too."""
    root = f"arn:aws:iam::{ACCOUNT}:root"
    values = SETTINGS if params.get("effectiveSettings") else {}
    values = values | {each.name: each.value for each in backend("ecs").account_settings.values()}
    chosen = {name: params.get(name) for name in ("name", "value")}
    rows = [{"name": name, "value": value} for name, value in values.items()]
    found = [row for row in rows if all(chosen[key] in (None, row[key]) for key in row)]
    return {"settings": [{**row, "principalArn": root, "type": "user"} for row in found]}


@instead("ecs", "ListTaskDefinitions")
def task_definitions(params: Params) -> Params:
    """Return the revisions by family and number, with ``sort`` DESC the newest first; moto ignores it."""
    status, family = params.get("status") or "ACTIVE", params.get("familyPrefix")
    found = [
        definition.arn
        for name, revisions in sorted(backend("ecs").task_definitions.items())
        for _, definition in sorted(revisions.items())
        if definition.status == status and family in (None, name)
    ]
    return {"taskDefinitionArns": found[::-1] if params.get("sort") == "DESC" else found}


@instead("rds", "DescribeCertificates")
def certificates(params: Params) -> Params:
    asked, place = params.get("CertificateIdentifier"), f"arn:aws:rds:{registry.region}::cert:"
    rows = [
        {"CertificateIdentifier": name, "CertificateType": "CA", "CertificateArn": place + name}
        | {"ValidFrom": "2021-05-21T00:00:00Z", "ValidTill": f"{year}-05-21T00:00:00Z"}
        for name, year in CERTIFICATES.items()
        if asked in (None, name)
    ]
    return {"DefaultCertificateForNewLaunches": "rds-ca-rsa2048-g1", "Certificates": rows}


@instead("rds", "DescribePendingMaintenanceActions")
def pending_maintenance(_: Params) -> Params:
    """Return none: the local cloud maintains nothing."""
    return {"PendingMaintenanceActions": []}


@instead("rds", "DescribeOptionGroups")
def option_groups(params: Params) -> Params:
    """Return the default group of the engine's version beside those that were made; moto lacks it, and fails."""
    name, asked = f"default:{ENGINE}-{MAJOR}", params.get("OptionGroupName")
    default = {
        "OptionGroupName": name,
        "OptionGroupDescription": f"Default option group for {ENGINE} {MAJOR}",
        "EngineName": ENGINE,
        "MajorEngineVersion": MAJOR,
        "Options": [],
        "AllowsVpcAndNonVpcInstanceMemberships": True,
        "OptionGroupArn": f"arn:aws:rds:{registry.region}:{ACCOUNT}:og:{name}",
    }
    made: list[Any] = [default] if asked in (None, name) else []
    given = {"option_group_name": asked, "engine_name": params.get("EngineName")}
    given |= {"major_engine_version": params.get("MajorEngineVersion")}
    others = backend("rds").option_groups and asked != name
    return {
        "OptionGroupsList": made
        + (backend("rds").describe_option_groups(given) if others or not made else [])
    }


@instead("events", "TestEventPattern")
def event_pattern(params: Params) -> Params:
    """Return whether a pattern matches an event; moto answers nothing."""
    pattern = EventPattern.load(params["EventPattern"])
    return {"Result": pattern.matches_event(json.loads(params["Event"]))}
