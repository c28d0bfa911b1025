"""How each service puts tags on a resource that is there already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehearsal.providers.kind import Subject

ADD: Mapping[str, tuple[str, str, str, str]] = {
    "ec2": ("create_tags", "Resources", "Tags", "Key"),
    "elbv2": ("add_tags", "ResourceArns", "Tags", "Key"),
    "rds": ("add_tags_to_resource", "ResourceName", "Tags", "Key"),
    "ecs": ("tag_resource", "resourceArn", "tags", "key"),
    "ecr": ("tag_resource", "resourceArn", "tags", "Key"),
    "iam": ("tag_role", "RoleName", "Tags", "Key"),
    "logs": ("tag_resource", "resourceArn", "tags", ""),
    "cloudwatch": ("tag_resource", "ResourceARN", "Tags", "Key"),
    "events": ("tag_resource", "ResourceARN", "Tags", "Key"),
    "sns": ("tag_resource", "ResourceArn", "Tags", "Key"),
    "kms": ("tag_resource", "KeyId", "Tags", "TagKey"),
    "application-autoscaling": ("tag_resource", "ResourceARN", "Tags", ""),
    "acm": ("add_tags_to_certificate", "CertificateArn", "Tags", "Key"),
}
"""Service: the operation, the parameter that names the resource, the one with the tags, and how a key is written."""

REMOVE: Mapping[str, tuple[str, str]] = {
    "ec2": ("delete_tags", "Tags"),
    "elbv2": ("remove_tags", "TagKeys"),
    "rds": ("remove_tags_from_resource", "TagKeys"),
    "ecs": ("untag_resource", "tagKeys"),
    "ecr": ("untag_resource", "tagKeys"),
    "iam": ("untag_role", "TagKeys"),
    "logs": ("untag_resource", "tagKeys"),
    "cloudwatch": ("untag_resource", "TagKeys"),
    "events": ("untag_resource", "TagKeys"),
    "sns": ("untag_resource", "TagKeys"),
    "kms": ("untag_resource", "TagKeys"),
    "application-autoscaling": ("untag_resource", "TagKeys"),
    "acm": ("remove_tags_from_certificate", "Tags"),
}


def retag(subject: Subject, arn: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    """Make a resource's tags ``new`` where they were ``old``."""
    service = subject.kind.service
    operation, target, member, key = ADD[service]
    named: Any = subject.identity if service in ("ec2", "iam", "kms") else arn
    where = {target: [named] if target in ("Resources", "ResourceArns") else named}
    gone = sorted(set(old) - set(new))
    if gone:
        remove, keys = REMOVE[service]
        named_keys = [{"Key": name} for name in gone] if keys == "Tags" else gone
        subject.calls(service, remove, {**where, keys: named_keys})
    if new:
        subject.calls(service, operation, {**where, member: written(new, key)})


def written(tags: Mapping[str, str], key: str) -> Any:
    """``tags`` as a service writes them: a map, or a list of pairs whose key is called ``key``."""
    if not key:
        return dict(tags)
    value = {"Key": "Value", "key": "value", "TagKey": "TagValue"}[key]
    return [{key: name, value: text} for name, text in sorted(tags.items())]
