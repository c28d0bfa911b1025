"""EC2's rules for managed prefix lists that moto lacks. AWS documents the message of none but the version's."""

from __future__ import annotations

from tools.local_cloud.aws.hooks import Params, Refused, backend, before


@before("ec2", "CreateManagedPrefixList")
def entries_fit(params: Params) -> None:
    """Refuse more entries than the new list may have."""
    _check_size(len(params.get("Entries") or ()), int(params["MaxEntries"]))


@before("ec2", "ModifyManagedPrefixList")
def changed_entries_fit(params: Params) -> None:
    """Refuse a change of another version, or with more entries than the list may have.

    Error message of the first: hashicorp/terraform-provider-aws issue 43528.
    """
    known = backend("ec2").managed_prefix_lists.get(params["PrefixListId"])
    if known is None:
        return
    added, removed = ((params.get(f"{verb}Entries") or []) for verb in ("Add", "Remove"))
    if (added or removed) and int(params.get("CurrentVersion") or 0) != known.version:
        words = "The prefix list has the incorrect version number."
        raise Refused("PrefixListVersionMismatch", words)
    held = {each["Cidr"] for each in known.entries.get(known.version, ())}
    after = held - {each["Cidr"] for each in removed} | {each["Cidr"] for each in added}
    _check_size(len(after), int(known.max_entries or len(after)))


def _check_size(count: int, most: int) -> None:
    if count > most:
        words = f"The prefix list may have {most} entries at most, not {count}."
        raise Refused("PrefixListMaxEntriesExceeded", words)


@before("ec2", "DeleteManagedPrefixList")
def prefix_list_unused(params: Params) -> None:
    """Refuse to delete a list that a rule names: "You must first remove all references" (botocore)."""
    name = params["PrefixListId"]
    for group in backend("ec2").describe_security_groups():
        if name in {rule.prefix_list_id for rule in (*group.ingress_rules, *group.egress_rules)}:
            words = f"The prefix list '{name}' is in use by the security group '{group.id}'."
            raise Refused("DependencyViolation", words)
