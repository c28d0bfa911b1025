"""Changes of a security-group rule, of which moto 5.2.5 applies only ports and IPv4 networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rehearsal.control.hooks import ACCOUNT, Params, Refused, after, backend, before

PEERS = {
    "CidrIpv4": "an IPv4 CIDR",
    "CidrIpv6": "an IPv6 CIDR",
    "PrefixListId": "a prefix list",
    "ReferencedGroupId": "a referenced group id",
}
"""The members of a SecurityGroupRuleRequest that say whom a rule names (botocore), in EC2's words."""


def install() -> None:
    """The hooks register as this module is imported; the call makes that visible."""


@before("ec2", "ModifySecurityGroupRules")
def peer_keeps_its_kind(params: Params) -> None:
    """EC2 refuses to turn a rule about a network into one about a group, and the other way round.

    Words as EC2 answers them: github.com/mukulmantosh/SampleDemo/issues/1.
    """
    for rule, request in _changes(params):
        asked = next((name for name in PEERS if request.get(name)), None)
        kind = _kind(rule)
        if asked is not None and asked != kind:
            raise Refused(
                "InvalidParameterValue",
                f"Invalid rule type for security group rule '{rule.id}'. You may not specify"
                f" {PEERS[asked]} for an existing {PEERS[kind].split(' ', 1)[1]} rule.",
            )


@after("ec2", "ModifySecurityGroupRules")
def peer_is_changed(params: Params) -> None:
    """Put the new group, IPv6 network or prefix list into the rule."""
    for rule, request in _changes(params):
        if group := request.get("ReferencedGroupId"):
            rule.source_group = {"GroupId": group, "OwnerId": ACCOUNT, "UserId": ACCOUNT}
        if network := request.get("CidrIpv6"):
            rule.ip_range["CidrIpv6"] = network
        rule.prefix_list_id = request.get("PrefixListId") or rule.prefix_list_id


def _changes(params: Params) -> Iterator[tuple[Any, Params]]:
    group = backend("ec2").get_security_group_from_id(params["GroupId"])
    for each in params["SecurityGroupRules"]:
        rule = group.get_rule(each["SecurityGroupRuleId"]) if group else None
        if rule is not None:
            yield rule, each["SecurityGroupRule"]


def _kind(rule: Any) -> str:
    if rule.source_group:
        return "ReferencedGroupId"
    if rule.prefix_list_id:
        return "PrefixListId"
    return "CidrIpv6" if rule.cidr_ipv6 else "CidrIpv4"
