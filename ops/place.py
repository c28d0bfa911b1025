"""Where a stack is, as the AWS command line must be told, for it does not read the stack file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass

from i18n import Text, t

CALL = re.compile(r"aws(?: [a-z][a-z0-9-]*)+(?= |$)")
"""Program, service and operation; `aws rds wait` has one word more."""
OTHER_CREDENTIALS = (
    *("aws:accessKey", "aws:secretKey", "aws:token", "aws:assumeRoles"),
    *("aws:assumeRoleWithWebIdentity", "aws:sharedConfigFiles", "aws:sharedCredentialsFiles"),
)
"""Keys by which pulumi-aws takes credentials that no other program sees (pulumi_aws.config).

The commands and the roll-out gate would look with others, perhaps into another account.
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A region, and the profile that the stack file names, if it names one."""

    region: str
    profile: str | None = None

    def told(self, command: str) -> str:
        """An AWS command that reaches this place whatever the shell's own are; any other as it is."""
        call = CALL.match(command)
        if call is None:
            return command
        options = {"--region": self.region, "--profile": self.profile}
        known = shlex.split(command)
        added = "".join(
            f" {name} {shlex.quote(value)}"
            for name, value in options.items()
            if value and name not in known
        )
        return f"{call[0]}{added}{command[call.end() :]}"


def other_credentials(config: Collection[str]) -> dict[str, Text]:
    """The keys of OTHER_CREDENTIALS among those of a stack's configuration, each with the way out."""
    return {
        key: t(
            "gives credentials to the provider alone, and roll-out gate and commands would look "
            "with others; `pulumi config rm {key}`, then name a profile of ~/.aws/config that "
            "gives them (`pulumi config set aws:profile NAME`), or set the AWS_… variables",
            key=key,
        )
        for key in OTHER_CREDENTIALS
        if key in config
    }
