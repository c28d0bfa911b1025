"""The entry point of the policy pack: `pulumi up -s poc --policy-pack policy`."""

import sys
from pathlib import Path

from pulumi_policy import PolicyPack

# The engine runs the folder as a program, in a venv that need not know the packages.
sys.path.insert(0, str(Path(__file__).parent.parent / "packages" / "ecs-gate"))
sys.path.insert(0, str(Path(__file__).parent.parent / "packages" / "careapp"))

from careapp.policy import CONTROLS
from careapp.policy.controls import as_policy
from careapp.settings.file import project_of

PolicyPack(project_of(Path(__file__).parent.parent), [as_policy(control) for control in CONTROLS])
