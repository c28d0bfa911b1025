"""What each type of resource uses of what has a price: a function by the type's short name."""

from __future__ import annotations

from ops.cost.bill import Rule
from ops.cost.rules import balancing, compute, network, stores, watching

RULES: dict[str, Rule] = {
    **network.RULES,
    **balancing.RULES,
    **compute.RULES,
    **stores.RULES,
    **watching.RULES,
}
