"""What the parts of the delivery are called, and whom they are for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ops.names import PROJECT, StackNames
from ops.refused import Refused
from ops.texts import t

DELIVERY = f"{PROJECT}-delivery"
ALIAS = f"alias/{DELIVERY}"
BOUNDARY = f"{DELIVERY}-boundary"
PREVIEW = f"{DELIVERY}-preview"
TAGS = {"project": PROJECT, "managed-by": "careapp-delivery"}
REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")
BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
STACK = re.compile(r"[a-z][a-z0-9-]{0,19}")
BY_BRANCH = "poc"
"""The stack that a push deploys with nobody's approval; each other stands behind an environment."""
LOOK_SECONDS = 3_600
DEPLOY_SECONDS = 9_000
"""How long a job may hold its role: longer than its `timeout-minutes`, or AWS lets go of it half-way."""


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A repository on GitHub; the ids are GitHub's numbers, empty where they are not known."""

    name: str
    branch: str = "main"
    owner_id: str = ""
    repository_id: str = ""

    def checked(self) -> Repository:
        """Itself. Raises Refused for what could mean more than one repository or branch."""
        if not REPOSITORY.fullmatch(self.name):
            raise Refused(t('"{name}" is no repository; say OWNER/NAME.', name=self.name))
        if not BRANCH.fullmatch(self.branch):
            raise Refused(t('"{name}" is no branch that can be trusted.', name=self.branch))
        ids = (self.owner_id, self.repository_id)
        if any(ids) and not all(each.isdecimal() for each in ids):
            raise Refused(
                t("Give --owner-id and --repository-id together; both are GitHub's numbers.")
            )
        return self


@dataclass(frozen=True, kw_only=True)
class Account:
    """Where the delivery leads: an AWS account and a region of it."""

    number: str
    region: str

    @property
    def bucket(self) -> str:
        """The bucket for Pulumi's state: of all accounts' buckets, so it carries the number."""
        return f"{PROJECT}-state-{self.number}-{self.region}"

    @property
    def boundary_arn(self) -> str:
        return self.iam(f"policy/{BOUNDARY}")

    def iam(self, resource: str) -> str:
        """The ARN of something of IAM, which knows no region."""
        return f"arn:aws:iam::{self.number}:{resource}"

    def arn(self, service: str, resource: str) -> str:
        """The ARN of something in the region."""
        return f"arn:aws:{service}:{self.region}:{self.number}:{resource}"


def deploy_role(stack: str) -> str:
    """The role that deploys a stack. It is none of the stack's own, whose names begin otherwise."""
    return f"{DELIVERY}-{stack}"


def switch_variable(stack: str) -> str:
    """The repository's variable that turns a stack's deploys on."""
    return f"{PROJECT.upper()}_{stack.upper().replace('-', '_')}"


def role_variable(stack: str) -> str:
    """The variable that holds the ARN of a stack's deploy role."""
    return f"{switch_variable(stack)}_ROLE"


def checked_stack(stack: str) -> StackNames:
    """The stack's names. Raises Refused for a name that cannot be told apart from the delivery's own."""
    own = {"delivery", "state", "preview", "boundary"}
    if not STACK.fullmatch(stack) or stack in own or stack.startswith("delivery-"):
        raise Refused(
            t(
                '"{stack}" cannot be delivered: a stack\'s name is 1 to 20 small letters, digits and '
                "hyphens, and none of {own}.",
                stack=stack,
                own=", ".join(sorted(own)),
            )
        )
    return StackNames.of(stack)
