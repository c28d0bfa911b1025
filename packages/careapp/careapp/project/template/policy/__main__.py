"""AWS's controls, which `pulumi up --policy-pack policy` checks before anything is made."""

from pulumi_policy import PolicyPack

from careapp.policy import CONTROLS
from careapp.policy.controls import as_policy

PolicyPack("${PROJECT}", [as_policy(control) for control in CONTROLS])
