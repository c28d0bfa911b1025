"""The commands that read or change a running stack, on AWS or on the local cloud."""

import os
from pathlib import Path

import careapp.settings  # noqa: F401 - brings the Japanese of careapp
from ecs_gate.aws.errors import PROGRAM
from ecs_gate.text import t, verbatim

ROOT = Path(__file__).resolve().parents[3]
"""The project's folder, which has Pulumi.yaml, the program, infra/ and webapp/."""
IMPORTED = (ROOT, *(ROOT / "packages" / name for name in ("careapp", "ecs-gate", "local-cloud")))
"""The folders from which Python imports the program and the packages beside it."""
PYTHONPATH = os.pathsep.join(map(str, IMPORTED))
"""The variable for a process that must import them from there."""

PROGRAM |= {
    "name": verbatim("careapp"),
    "profile": t("aws:profile in the stack file, or AWS_PROFILE"),
    "region": t(
        "aws:region in the stack file (`pulumi config set aws:region ap-northeast-1`), or AWS_REGION"
    ),
    "local cloud": t("Start it (`./careapp cloud start`), or leave its shell to talk to AWS."),
}
