"""What a stack keeps for as long as it is there: the VPC's range, the zones in use, the database's storage."""

from __future__ import annotations

from typing import Any

import pulumi

from i18n import Text, joined, shown, t
from stack.settings import Settings


def keep(settings: Settings) -> dict[str, Any]:
    """What is kept, to be exported. Refused when it is not what the stack's last update had.

    Raises RunError before anything is made. AWS would refuse in the middle of the update: a subnet
    group never changes its VPC (terraform-provider-aws#27459), a subnet's range is taken until the old
    one is deleted, and storage only grows (RDS user guide, "Increasing DB instance storage capacity").
    A zone may be added behind the others and be given up again.
    """
    wanted: dict[str, Any] = {
        "vpcCidr": str(settings.network.cidr),
        "zones": list(settings.network.zones),
        "databaseStorageGb": settings.database.storage_gb,
    }
    had: dict[str, Any] = _last_outputs().get("kept") or wanted
    problems: list[Text] = []
    if wanted["vpcCidr"] != had["vpcCidr"]:
        problems.append(_stays("vpcCidr", wanted["vpcCidr"], had["vpcCidr"]))
    if any(new != old for new, old in zip(wanted["zones"], had["zones"], strict=False)):
        problems.append(_stays("zones", ",".join(wanted["zones"]), ",".join(had["zones"])))
    smaller, size = wanted["databaseStorageGb"], int(had["databaseStorageGb"])
    if smaller < size:
        problems.append(_stays("databaseStorageGb", smaller, size))
    if problems:
        raise pulumi.RunError(shown(joined("\n", problems)))
    return wanted


def _last_outputs() -> dict[str, Any]:
    """What the stack's last update exported; a new stack has nothing.

    The engine's own function behind pulumi.StackReference (pulumi/pkg/resource/deploy/builtins.go). A
    StackReference itself would be a line of every update, and its outputs are there only later.
    """
    stack = "/".join((pulumi.get_organization(), pulumi.get_project(), pulumi.get_stack()))
    found = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": stack})
    outputs: dict[str, Any] = found.value["outputs"]
    return outputs


def _stays(key: str, wanted: str | int, had: str | int) -> Text:
    return t(
        "{key}: {wanted} is refused: this stack has {had}, and AWS cannot change that under a database. "
        "Nothing was changed. `pulumi config set {key} {had}` keeps the stack; for another value "
        "`pulumi destroy` first.",
        key=key,
        had=had,
        wanted=wanted,
    )
