"""The entry point of the policy pack: `pulumi up -s poc --policy-pack policy`."""

import sys
from pathlib import Path

from pulumi_policy import PolicyPack

# The engine runs the folder as a program, but its modules are those of the package `policy`.
sys.path.insert(0, str(Path(__file__).parent.parent))

from policy import CONTROLS
from policy.controls import as_policy
from stack.file import project_of

PolicyPack(project_of(Path(__file__).parent.parent), [as_policy(control) for control in CONTROLS])
