"""Security groups and their rules."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local_cloud.calls import Calls, UnknownInput
from local_cloud.providers.aws.ec2 import arn, until_free
from local_cloud.providers.kind import (
    Kind,
    Setting,
    Subject,
    Values,
    filters,
    leave,
    on_change,
    regular,
)
from local_cloud.providers.lifecycle import call_create, tag_list, tag_specifications

WAYS = {"ingress": "IpPermissions", "egress": "IpPermissionsEgress"}
"""The inline rules of a group, with the members of EC2's description."""
INLINE = frozenset({"description", "fromPort", "protocol", "self", "toPort"})
PEER_LISTS = {
    "cidrBlocks": ("IpRanges", "CidrIp"),
    "ipv6CidrBlocks": ("Ipv6Ranges", "CidrIpv6"),
    "prefixListIds": ("PrefixListIds", "PrefixListId"),
    "securityGroups": ("UserIdGroupPairs", "GroupId"),
}
"""The peers of an inline rule, with the members of EC2's IpPermission."""
Single = tuple[str, int, int, str, str, str]
"""One rule as EC2 compares it: protocol, ports, kind of peer, peer and description."""


def _singles(subject: Subject, rules: Any) -> set[Single]:
    """Return one rule for each peer of inline rules.

    Raises ``ValueError`` for ports beside the protocol -1 (terraform-provider-aws, expandIPPerms).
    """
    found = set()
    for rule in rules or ():
        if unknown := sorted(set(rule) - INLINE - set(PEER_LISTS)):
            raise UnknownInput(f"{subject.kind.token}: a rule has no {', '.join(unknown)}")
        protocol = str(rule["protocol"]).lower().replace("all", "-1")
        first, last = int(rule["fromPort"]), int(rule["toPort"])
        if protocol == "-1" and (first or last):
            raise ValueError(
                f"fromPort ({first}) and toPort ({last}) must both be 0 with the protocol -1"
            )
        own = {"securityGroups": [subject.identity]} if rule.get("self") else {}
        for kind in PEER_LISTS:
            for peer in [*(rule.get(kind) or ()), *own.get(kind, ())]:
                found.add((protocol, first, last, kind, peer, rule.get("description") or ""))
    return found


def _held(found: Values, way: str) -> Iterator[Single]:
    """Yield the rules of EC2's description of a group."""
    for permission in found[WAYS[way]]:
        ports = (int(permission.get("FromPort", 0)), int(permission.get("ToPort", 0)))
        ports = (0, 0) if permission["IpProtocol"] == "-1" else ports
        for kind, (member, name) in PEER_LISTS.items():
            for peer in permission.get(member) or ():
                words = peer.get("Description") or ""
                yield permission["IpProtocol"], *ports, kind, peer[name], words


def _permissions(rules: set[Single]) -> list[Values]:
    found = []
    for protocol, first, last, kind, peer, words in sorted(rules):
        member, name = PEER_LISTS[kind]
        ports = {} if protocol == "-1" else {"FromPort": first, "ToPort": last}
        described = {"Description": words} if words else {}
        found.append({"IpProtocol": protocol, **ports, member: [{name: peer, **described}]})
    return found


def _inline(way: str) -> Setting:
    """Return the setting of the rules in the group itself: it revokes what is gone, then authorizes what is new.

    Without the input the rules stay as they are (terraform-provider-aws, updateSecurityGroupRules; the input is
    computed there).
    """

    def apply(subject: Subject) -> None:
        if subject.inputs.get(way) is None:
            return
        olds, news = (_singles(subject, each.get(way)) for each in (subject.before, subject.inputs))
        for operation, rules in (("revoke", olds - news), ("authorize", news - olds)):
            if rules:
                params = {"GroupId": subject.identity, "IpPermissions": _permissions(rules)}
                subject.calls("ec2", f"{operation}_security_group_{way}", params)

    return Setting(inputs=(way,), apply=apply)


def _in_ec2(way: str) -> Callable[[Subject, Values], Any]:
    """Return the function that reads the inline rules: the program's own where EC2 has the same, else EC2's."""

    def read(subject: Subject, found: Values) -> Any:
        declared, held = subject.inputs.get(way), set(_held(found, way))
        if declared is not None and _singles(subject, declared) == held:
            return declared
        return [
            {"protocol": protocol, "fromPort": first, "toPort": last, kind: [peer]}
            | ({"description": words} if words else {})
            for protocol, first, last, kind, peer, words in sorted(held)
        ]

    return read


INLINE_RULES = tuple(_inline(way) for way in WAYS)
READS = {way: _in_ec2(way) for way in WAYS}
OUTPUTS: Mapping[str, str | Callable[[Subject, Values], Any]] = {
    **READS,
    "arn": arn("security-group"),
    "ownerId": "OwnerId",
    "name": "GroupName",
    "vpcId": "VpcId",
}


def _make_group(calls: Calls, kind: Kind, inputs: Values) -> str:
    """Create a group with its tags, then revoke AWS's default outbound rule, as the provider does.

    Source: terraform-provider-aws, resourceSecurityGroupCreate. Without ``vpcId`` EC2 takes the default VPC.
    """
    _, answer = call_create(calls, kind, inputs)
    group = str(answer["GroupId"])
    _close(calls, group)
    return group


def _close(calls: Calls, group: str) -> None:
    found = calls("ec2", "describe_security_groups", {"GroupIds": [group]})["SecurityGroups"][0]
    for way, member in WAYS.items():
        if found[member]:
            params = {"GroupId": group, "IpPermissions": found[member]}
            calls("ec2", f"revoke_security_group_{way}", params)


def _remove_group(subject: Subject) -> None:
    """Delete the group, as soon as no network interface has it: those of stopped tasks keep theirs for a while.

    As in the provider, rules that refer to it are revoked only with ``revokeRulesOnDelete``
    (terraform-provider-aws, resourceSecurityGroupDelete).
    """
    if subject.inputs.get("revokeRulesOnDelete"):
        _forget(subject.calls, subject.identity)
    until_free(subject, "delete_security_group")


def _forget(calls: Calls, group: str) -> None:
    """Revoke every rule of all groups that refers to ``group``."""
    for rule in calls("ec2", "describe_security_group_rules", {})["SecurityGroupRules"]:
        if rule.get("ReferencedGroupInfo", {}).get("GroupId") == group:
            way = "egress" if rule["IsEgress"] else "ingress"
            which = {
                "GroupId": rule["GroupId"],
                "SecurityGroupRuleIds": [rule["SecurityGroupRuleId"]],
            }
            calls("ec2", f"revoke_security_group_{way}", which)


GROUP = regular(
    "aws:ec2/securityGroup:SecurityGroup",
    "GroupId",
    on_create=_make_group,
    on_delete=_remove_group,
    replaces="description vpcId",
    names={"name": "groupName"},
    ignored={"revokeRulesOnDelete": "used by _remove_group"},
    settings=INLINE_RULES,
    defaults={"description": "Managed by Pulumi", "revokeRulesOnDelete": False},
    autoname="name",
    fixed_name="",
    reads=READS,
    outputs=OUTPUTS,
    tag_type="security-group",
)


def _adopt_default(calls: Calls, _: Kind, inputs: Values) -> str:
    """Adopt the default group of the VPC: tag it, then revoke its rules.

    The provider's order, on which the deploy role's permissions depend (terraform-provider-aws,
    internal/service/ec2/vpc_default_security_group.go).
    """
    wanted = filters({"vpc-id": inputs["vpcId"], "group-name": "default"})
    answer = calls("ec2", "describe_security_groups", {"Filters": wanted})
    group = str(answer["SecurityGroups"][0]["GroupId"])
    if tags := inputs.get("tags"):
        pairs = tag_list(tags)
        calls("ec2", "create_tags", {"Resources": [group], "Tags": pairs})
    _close(calls, group)
    return group


DEFAULT_GROUP = regular(
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "GroupId",
    noun="security_group",
    on_create=_adopt_default,
    on_delete=leave,  # AWS deletes a default group only with its VPC.
    replaces="vpcId",
    settings=INLINE_RULES,
    reads=READS,
    outputs=OUTPUTS,
    tag_type="security-group",
)


PEER_MEMBERS = {
    "cidrIpv4": ("IpRanges", "CidrIp"),
    "cidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
    "prefixListId": ("PrefixListIds", "PrefixListId"),
    "referencedSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
}
"""The peer of a rule, with the members of EC2's IpPermission.

Another kind of peer replaces the rule (terraform-provider-aws, vpc_security_group_ingress_rule.go, ModifyPlan).
"""
RULE_INPUTS = ("description", "fromPort", "ipProtocol", "toPort", *PEER_MEMBERS)


def _permission(inputs: Values) -> Values:
    described = {"Description": inputs["description"]} if inputs.get("description") else {}
    ports = {"FromPort": inputs.get("fromPort"), "ToPort": inputs.get("toPort")}
    return {
        "IpProtocol": str(inputs["ipProtocol"]),
        **{member: int(port) for member, port in ports.items() if port is not None},
        **{
            members: [{name: inputs[peer], **described}]
            for peer, (members, name) in PEER_MEMBERS.items()
            if inputs.get(peer)
        },
    }


def _make_rule(calls: Calls, kind: Kind, inputs: Values) -> str:
    params: Values = {"GroupId": inputs["securityGroupId"], "IpPermissions": [_permission(inputs)]}
    answer = calls("ec2", kind.create, {**params, **tag_specifications(kind, inputs)})
    return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])


def _change_rule(subject: Subject) -> None:
    """Send all of the rule, of which EC2 names the other group otherwise (botocore, SecurityGroupRuleRequest)."""
    inputs = {name: subject.inputs.get(name) for name in RULE_INPUTS}
    inputs["referencedGroupId"] = inputs.pop("referencedSecurityGroupId")
    rules = [{"securityGroupRuleId": subject.identity, "securityGroupRule": inputs}]
    subject.send("modify_security_group_rules", {"securityGroupRules": rules})


def _rule(token: str, direction: str) -> Kind:
    return regular(
        token,
        "SecurityGroupRuleId",
        service="ec2",
        scope={"GroupId": "securityGroupId"},
        create=f"authorize_security_group_{direction}",
        on_create=_make_rule,
        read="describe_security_group_rules",
        delete=f"revoke_security_group_{direction}",
        replaces="securityGroupId",
        one_of=frozenset(PEER_MEMBERS),
        ignored={"securityGroupId": "sent by _make_rule"},
        settings=(on_change(_change_rule, *RULE_INPUTS),),
        reads={"referencedSecurityGroupId": "ReferencedGroupInfo.GroupId"},
        outputs={"arn": arn("security-group-rule"), "securityGroupRuleId": "SecurityGroupRuleId"},
        tag_type="security-group-rule",
    )


KINDS = (
    GROUP,
    DEFAULT_GROUP,
    _rule("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "ingress"),
    _rule("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "egress"),
)
