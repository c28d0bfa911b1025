"""The commands that read or change a running stack, on AWS or on the local cloud."""

from pathlib import Path

import stack  # noqa: F401 - brings the Japanese of careapp
from ecs_gate.aws.errors import PROGRAM
from ecs_gate.text import t, verbatim

ROOT = Path(__file__).resolve().parents[1]

PROGRAM |= {
    "name": verbatim("careapp"),
    "profile": t("aws:profile in the stack file, or AWS_PROFILE"),
    "region": t(
        "aws:region in the stack file (`pulumi config set aws:region ap-northeast-1`), or AWS_REGION"
    ),
    "local cloud": t("Start it (`./careapp cloud start`), or leave its shell to talk to AWS."),
}
