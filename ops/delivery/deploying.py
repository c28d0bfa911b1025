"""The policies of the role that deploys one stack."""

from __future__ import annotations

from infra.statements import Policy, policy
from ops.delivery import looking, making, minding
from ops.delivery.names import Account
from ops.delivery.state import writing
from ops.names import StackNames

LIMIT = 6_144
"""Characters, without blanks, of one managed policy (IAM quotas)."""


def documents(account: Account, key_arn: str, stack: str, zone: str = "") -> dict[str, Policy]:
    """What it takes to put the stack up, to change it and to destroy it; nothing of another stack.

    In parts, by what each is for, since one policy may not be as long. ``zone`` is the Route 53
    zone of the stack's file, empty where it has none.
    """
    names = StackNames.of(stack)
    return {
        "look": policy(*looking.statements(account), *writing(account, key_arn, stack)),
        "network": policy(making.network(account), making.balancing(account, names)),
        "app": policy(*making.storing(account, names), *making.running(account, names)),
        "rest": policy(
            *minding.watching(account, names),
            *minding.keeping(account, names),
            *minding.roles(account, names),
            *minding.naming(account, names, zone),
            *minding.apart(names, key_arn),
        ),
    }
