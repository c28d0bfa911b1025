"""The commands that read or change a running stack, on AWS or on the local cloud."""

import os
from pathlib import Path

import careapp.settings  # noqa: F401 - brings the Japanese of careapp
from ecs_gate.aws.errors import PROGRAM
from ecs_gate.text import set_documents, t, verbatim

_CHECKOUT = Path(__file__).resolve().parents[3]


def _project() -> Path:
    """Return the folder of the nearest Pulumi.yaml from the working folder up; links in a rehearsal lead to it.

    Without one it is the working folder.
    """
    here = Path.cwd()
    found = (folder / "Pulumi.yaml" for folder in (here, *here.parents))
    return next((file.resolve().parent for file in found if file.exists()), here)


IN_CHECKOUT = (_CHECKOUT / "packages" / "careapp" / "careapp").is_dir()
"""Whether this is careapp's own repository, and not the installed package."""
ROOT = _CHECKOUT if IN_CHECKOUT else _project()
"""The project's folder, which has Pulumi.yaml, the program and the app."""
_PACKAGES = ("careapp", "ecs-gate", "local-cloud")
IMPORTED = (ROOT, *(ROOT / "packages" / name for name in _PACKAGES)) if IN_CHECKOUT else ()
"""The folders from which Python imports the program and the packages beside it, where they are not installed."""
PYTHONPATH = os.pathsep.join(map(str, IMPORTED))
"""The variable for a process that must import them from there."""

if not IN_CHECKOUT:
    set_documents("https://github.com/OWNER/careapp/blob/main/docs/")

PROGRAM |= {
    "name": verbatim("careapp"),
    "profile": t("aws:profile in the stack file, or AWS_PROFILE"),
    "region": t(
        "aws:region in the stack file (`pulumi config set aws:region ap-northeast-1`), or AWS_REGION"
    ),
    "local cloud": t("Start it (`./careapp cloud start`), or leave its shell to talk to AWS."),
}
