"""The names of a stack's resources."""

import re
from dataclasses import dataclass, replace
from typing import Self

from ecs_gate.text import Text, t

CONTAINER = "app"
DEPLOY_COMMAND_TASK = "careapp-deploy"
"""`startedBy` of the tasks that run the setting deployCommand."""
RULE_PRIORITY = 100
"""The priority of stage 2's listener rule."""
PUBLIC_RULE_PRIORITY = 90
"""The priority of the rule for the paths that need no login: ELB asks it before that of stage 2."""
DOTS_RULE_PRIORITY = 80
"""The priority of the rule that asks for a login on paths with dots, before that for the paths that need none."""
TEST_RULE_PRIORITY = 50
"""The priority of the rule that leads to a new version before users' requests do: ELB asks it first."""
TEST_HEADER = "X-Test-Release"
"""The header of a request to a new version; its value is drawn for each stack."""
RUNNING, PAGE_ERRORS = "service-running", "page-errors"
"""The ends of the names of two alarms, whose actions are off while a stack is paused."""
DEPLOYMENT = "deployment"
"""How the names of the alarms begin, after the stack's prefix, that ECS watches during a deployment."""


LONGEST_PREFIX = 32 - len("-alb")
"""ELB's names have at most 32 characters (botocore, CreateLoadBalancer); no other name has less room."""
REFUSED_BEGINNINGS = ("internal", "sg", "sthree", "amzn-s3-demo")
"""First words that ELB (API reference, CreateLoadBalancer), EC2 (CreateSecurityGroup) and S3 (User Guide,
"General purpose bucket naming rules") refuse, with a hyphen after them."""
TAKEN_WORDS = ("poc", "prod", "delivery", "state")
"""Words with which the names of another project's stacks and of its delivery (careapp/delivery/) go on.

The roles of a project `shop` may change what begins with `shop-poc-`, so a project `shop-poc` would be theirs.
"""
DATABASES = ("rdsadmin", "template0", "template1")
"""Databases that each instance of RDS for PostgreSQL has from the start."""
WORDS = """
all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate
collation column concurrently constraint create cross current_catalog current_date current_role current_schema
current_time current_timestamp current_user default deferrable desc distinct do else end except false fetch
for foreign freeze from full grant group having ilike in initially inner intersect into is isnull join lateral
leading left like limit localtime localtimestamp natural not notnull null offset on only or order outer
overlaps placing primary references returning right select session_user similar some symmetric system_user
table tablesample then to trailing true union unique user using variadic verbose when where window with
"""
RESERVED = frozenset(WORDS.split())
"""PostgreSQL 17's reserved words, which RDS refuses as a database's name (RDS API reference, CreateDBInstance)."""


@dataclass(frozen=True)
class StackNames:
    """The names of one stack's resources; those of careapp's poc are in the hand-over note's commands."""

    stack: str
    project: str
    """The name in Pulumi.yaml."""
    process: str = ""
    """The worker whose names `service`, `family` and `streams` are; "" for the web service."""

    @property
    def prefix(self) -> str:
        return f"{self.project}-{self.stack}"

    @property
    def label(self) -> str:
        """What the gate and the doctor call the stack."""
        return self.prefix

    @property
    def cluster(self) -> str:
        return f"{self.prefix}-cluster"

    @property
    def service(self) -> str:
        return self.worker(self.process) if self.process else f"{self.prefix}-service"

    @property
    def family(self) -> str:
        """The task definition's family."""
        return self.worker(self.process) if self.process else self.prefix

    def worker(self, name: str) -> str:
        """Return the name of a worker's service and of its task definition's family."""
        return f"{self.prefix}-worker-{name}"

    def of_worker(self, name: str) -> Self:
        """Return the names with which a worker is read like the web service."""
        return replace(self, process=name)

    def job(self, name: str) -> str:
        """Return the name of a job's schedule and of its task definition's family."""
        return f"{self.jobs}{name}"

    def job_streams(self, name: str) -> str:
        """Return the prefix of the log streams of a job's tasks."""
        return f"job-{name}/{self.container}"

    @property
    def jobs(self) -> str:
        """How the names of the jobs' families begin."""
        return f"{self.prefix}-job-"

    @property
    def container(self) -> str:
        return CONTAINER

    @property
    def balancer(self) -> str:
        return f"{self.prefix}-alb"

    @property
    def target_group(self) -> str:
        return f"{self.prefix}-tg"

    @property
    def alternate_group(self) -> str:
        """The second target group, which only a strategy other than `rolling` has."""
        return f"{self.prefix}-tg2"

    @property
    def alarms_of_a_pause(self) -> tuple[str, ...]:
        """The alarms on missing tasks and on 503 responses, which a pause would set to ALARM."""
        return f"{self.prefix}-{RUNNING}", f"{self.prefix}-{PAGE_ERRORS}"

    @property
    def database(self) -> str:
        """The DB instance's identifier."""
        return self.prefix

    @property
    def database_name(self) -> str:
        """The database in the instance: RDS takes letters, digits and underscores (CreateDBInstance)."""
        return self.project.replace("-", "_")

    @property
    def log_group(self) -> str:
        return f"/ecs/{self.prefix}"

    @property
    def streams(self) -> str:
        """The prefix of the tasks' log streams (ECS developer guide, awslogs)."""
        prefix = f"worker-{self.process}" if self.process else self.container
        return f"{prefix}/{self.container}"

    @property
    def repository(self) -> str:
        return f"{self.project if self.stack == 'poc' else self.prefix}/hello-ecs"

    def problems(self) -> dict[str, Text]:
        """Return what AWS would refuse, or another project has: by `name` of Pulumi.yaml, or `stack`."""
        if problem := self._of_project():
            return {"name": problem}
        if not re.fullmatch(r"[a-z](-?[a-z0-9])*", self.prefix):
            return {
                "stack": t(
                    "{prefix} begins the names of resources, so it may have only lowercase letters, digits "
                    "and single hyphens; `pulumi stack rename` renames the stack",
                    prefix=self.prefix,
                )
            }
        head, hyphen, rest = self.stack.rpartition("-")
        if hyphen:
            return {
                "stack": t(
                    "{stack} has a hyphen, and the resources of the stack {rest} of a project {other} would have "
                    "the same names; choose a name without a hyphen (`pulumi stack rename`)",
                    stack=self.stack,
                    rest=rest,
                    other=f"{self.project}-{head}",
                )
            }
        if len(self.prefix) > LONGEST_PREFIX:
            return {"name": self._too_long()}
        return {}

    def _too_long(self) -> Text:
        room = LONGEST_PREFIX - len("-")
        return t(
            "{prefix} begins the names of resources and has {length} characters; ELB has room for {longest}. "
            "With the stack {stack} the name in Pulumi.yaml can have {name}, and with the name {project} "
            "that of the stack {other} (`pulumi stack rename`)",
            prefix=self.prefix,
            length=len(self.prefix),
            longest=LONGEST_PREFIX,
            stack=self.stack,
            name=max(0, room - len(self.stack)),
            project=self.project,
            other=max(0, room - len(self.project)),
        )

    def _of_project(self) -> Text | None:
        name = self.project
        if not re.fullmatch(r"[a-z](-?[a-z0-9])*", name):
            return t(
                "{name!r} begins the names of resources, so it may have only lowercase letters, digits and "
                "single hyphens, the first a letter and the last no hyphen; change it in Pulumi.yaml",
                name=name,
            )
        if name.startswith(tuple(f"{beginning}-" for beginning in REFUSED_BEGINNINGS)) or (
            name in REFUSED_BEGINNINGS
        ):
            return t(
                "{name} begins the names of resources, and AWS keeps names that begin with {kept} to itself; "
                "change it in Pulumi.yaml",
                name=name,
                kept=", ".join(f"{beginning}-" for beginning in REFUSED_BEGINNINGS),
            )
        if taken := [word for word in name.split("-")[1:] if word in TAKEN_WORDS]:
            return t(
                "{name} could be part of another project: the names of {other}'s resources begin with {name}, "
                "and its roles may change them; use another word than {word} in Pulumi.yaml",
                name=name,
                other=name.partition(f"-{taken[0]}")[0],
                word=taken[0],
            )
        if self.database_name in RESERVED or self.database_name in DATABASES:
            return t(
                "{name} is also the database's name, and PostgreSQL keeps this word to itself; change it in "
                "Pulumi.yaml, for instance to {other}",
                name=name,
                other=f"{name}-app",
            )
        return None
