"""Another value of every setting, by its declaration, to be turned on a running stack."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from careapp import ROOT
from careapp.settings.database import DATABASE_STORAGE_GB
from careapp.settings.image import IMAGE_REVISION
from careapp.settings.monitoring import ALARM_EMAIL
from careapp.settings.settings import KEYS, PERMISSIONS_BOUNDARY, Settings

if TYPE_CHECKING:
    from tests.support.local_stack import LocalStack

ONE_WAY = {
    key.name: key.another(key.default) for key in (DATABASE_STORAGE_GB, IMAGE_REVISION, ALARM_EMAIL)
}
"""RDS never shrinks a database's storage; a pushed tag is never pushed again."""
ELSEWHERE = (
    *("ecsEnabled", "protect", "deployStrategy"),
    *("domainName", "hostedZoneId", "loginIssuer", "loginClientId", "loginSecretArn"),
    *("appFolder", "appDockerfile", "appTarget", "appVariables", "appSecrets"),
)
"""By a life's own steps; by test_shifting; by test_entrance, which has the zone and a provider; by test_rehearse."""
KEPT = {key.name for key in KEYS if key.change.loses} - set(ELSEWHERE)
"""What only an unprotected stack turns off again."""
ON = {
    key.name: "true" if key.kind == "boolean" else key.another(key.default)
    for key in KEYS
    if key.name not in {"certificateArn", "permissionsBoundary", *ELSEWHERE}
}
"""Everything on."""
ANYTHING = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)


def values(stack: str) -> dict[str, str]:
    return dict(Settings.read(stack, ROOT).texts)


def changes(stack: str) -> dict[str, str]:
    """Return another value for each setting, which the running, protected stack takes and gives up again."""
    had, apart = values(stack), {"vpcCidr", *KEPT, *ONE_WAY, *ELSEWHERE}
    return {key.name: key.another(had[key.name]) for key in KEYS if key.name not in apart}


def allow_boundary(stack: LocalStack) -> None:
    """Make the policy that `permissionsBoundary` is turned to."""
    boundary = {"PolicyName": PERMISSIONS_BOUNDARY.example, "PolicyDocument": ANYTHING}
    stack.calls("iam", "create_policy", boundary)


def left_to_do(stack: LocalStack) -> list[str]:
    """What an `up` with a refresh still does."""
    steps = stack.pulumi.update("up", stack.name, "--refresh").steps
    return [step for step in steps if not step.startswith("refresh ")]
