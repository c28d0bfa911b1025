"""What a network ACL drops along a hop, in words, and the rules that let it through."""

from __future__ import annotations

from collections.abc import Sequence

from i18n import Text, t
from ops.acls import Barred
from ops.findings import Fix
from ops.snapshot.surroundings import Network

WHY = t(
    "A network ACL drops what its rules do not allow, without an answer, and knows of no connections: "
    "the answers need a rule of their own, to the ports from which the other side connects."
)


def said(barred: Sequence[Barred], network: Network) -> tuple[Text, ...]:
    """Each ACL's fault in a sentence."""
    return tuple(_says(each, network) for each in barred)


def _says(each: Barred, network: Network) -> Text:
    first, last = each.ports
    values = {
        "acl": each.acl,
        "subnet": f"{each.subnet} ({network.subnets[each.subnet].name})",
        "ports": f"{first}" if first == last else f"{first}-{last}",
        "peer": f"{each.peer}",
        "number": each.number or "*",
    }
    if each.way == "egress":
        return t(
            "Network ACL {acl} of subnet {subnet}: its outbound rule {number} denies TCP {ports} to {peer}.",
            **values,
        )
    return t(
        "Network ACL {acl} of subnet {subnet}: its inbound rule {number} denies TCP {ports} from {peer}.",
        **values,
    )


def opened(barred: Sequence[Barred], network: Network) -> tuple[Fix, ...]:
    """Rules that let the packets through, before those that deny them."""
    if not barred:
        return ()
    acls = {each.acl.id: each.acl for each in network.subnets.values() if each.acl}
    taken = {
        (acl.id, way): {each.number for each in entries}
        for acl in acls.values()
        for way, entries in (("egress", acl.egress), ("ingress", acl.ingress))
    }
    # Subnets that share an ACL need its rule once.
    once = {(each.acl, each.way, each.ports, each.peer): each for each in barred}
    commands = tuple(_command(each, taken[each.acl, each.way]) for each in once.values())
    text = t("Let the network ACL allow it, by a rule before the one that denies it:")
    return (Fix(text, commands),)


def _command(each: Barred, taken: set[int]) -> str:
    """A rule with a free number; where there is none before the denying rule, that rule must go."""
    if each.number is None:
        number = max((*taken, 90)) // 10 * 10 + 10
    else:
        number = next((free for free in range(each.number - 1, 0, -1) if free not in taken), 0)
    place = f"--network-acl-id {each.acl} --{each.way} --rule-number"
    if not number:
        return f"aws ec2 delete-network-acl-entry {place} {each.number}"
    taken.add(number)
    first, last = each.ports
    return (
        f"aws ec2 create-network-acl-entry {place} {number} --protocol tcp "
        f"--port-range From={first},To={last} --cidr-block {each.peer} --rule-action allow"
    )
