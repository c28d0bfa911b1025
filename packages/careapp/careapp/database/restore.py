"""The command `./careapp db restore`: replaces the stack's database by a restored one and keeps the old one."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from careapp.additions.parts import pauses, restores
from careapp.additions.target import session_of
from careapp.command_line import FAILED, exit_code_of
from careapp.database import copies, queries
from careapp.database.copies import Source
from careapp.pulumi_state import PulumiStack
from careapp.settings import monitoring, shifting
from careapp.settings.app_resources import UPLOADS_ENABLED
from careapp.settings.settings import Settings
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.checks.databases import PASSING, USABLE
from ecs_gate.screen import Line, display
from ecs_gate.text import Refused, Text, t, verbatim
from ecs_gate.waiting import Waiting

RENAME_MINUTES = 30
"""RDS restarts an instance that it renames (API reference, ModifyDBInstance, NewDBInstanceIdentifier)."""

TAKEN = frozenset({"DBInstanceAlreadyExists", "DBInstanceAlreadyExistsFault"})


@dataclass(frozen=True, kw_only=True)
class Instances:
    """RDS's descriptions of the instances that a restore has: the only record of how far it is."""

    current: Mapping[str, Any] | None
    restored: Mapping[str, Any] | None
    before: Mapping[str, Any] | None

    @property
    def source(self) -> str | None:
        """Return what an unfinished restore restores; None when there is none."""
        for instance in (self.restored, self.current):
            if instance is not None and (purpose := copies.purpose(instance)) is not None:
                return purpose
        return None

    @property
    def swapped(self) -> bool:
        """Return whether the restored instance has the database's name."""
        return self.restored is None and self.source is not None

    @property
    def returns(self) -> bool:
        """Return whether the old instance alone is left, so that it gets its name back."""
        return self.before is not None and self.current is None and self.restored is None


def settings_of_the_first_up(settings: Settings) -> dict[str, str]:
    """Return the settings with which `pulumi up` starts the tasks that have the new password.

    The old tasks have no database. While ECS waits, it would send them most of the requests, and their errors
    could set off a deployment alarm: ECS would roll back to them. So it shifts the requests at once, without
    alarms.
    """
    if not settings.ecs_enabled:
        return {}
    instead: dict[str, str] = {}
    if settings.service.deployment.shifts:
        instead |= {
            shifting.DEPLOY_STRATEGY.name: shifting.BLUE_GREEN,
            shifting.BAKE_MINUTES.name: "0",
        }
    if settings.monitoring.deployment_alarms:
        instead |= {monitoring.DEPLOY_ERROR_PERCENT.name: "0"}
        instead |= {monitoring.DEPLOY_LATENCY_SECONDS.name: "0"}
    return instead


class Restore:
    """One restore of a stack's database. Every step is skipped where RDS shows that it is done."""

    def __init__(
        self, session: Session, settings: Settings, waiting: Waiting, pulumi: PulumiStack
    ) -> None:
        self.session, self.settings, self.waiting, self.pulumi = session, settings, waiting, pulumi
        self.names = names = settings.names
        self.first = settings_of_the_first_up(settings)
        self.name = names.database
        self.temporary = restores.temporary_name(names.database)
        self.old = restores.old_name(names.database)

    def read(self) -> Instances:
        """Read the three instances. Raises AwsProblem."""
        current, restored, before = (
            copies.described(self.session, name) for name in (self.name, self.temporary, self.old)
        )
        return Instances(current=current, restored=restored, before=before)

    def check(self, now: Instances) -> None:
        """Raise Refused where a restore can neither begin nor go on."""
        if now.source is None and now.before is not None and not now.returns:
            raise Refused(
                "{old} is still there from an earlier restore; delete it first: {command}",
                old=self.old,
                command=self.deletion(now.before),
            )
        if now.source is None and now.restored is not None:
            raise Refused(
                "There is an instance {id} without the tag {tag}, so no restore created it; rename "
                "or delete it.",
                id=self.temporary,
                tag=restores.RESTORED,
            )
        if now.restored is not None and now.current is not None and now.before is not None:
            raise Refused(
                "Of {name} and {old} only one may exist beside {restored}; rename them by hand.",
                name=self.name,
                old=self.old,
                restored=self.temporary,
            )

    def begin(self, now: Instances, source: Source) -> None:
        """Restore into an instance beside the database. Raises AwsProblem."""
        self.waiting.say(t("Restoring {source} into {id}.", source=source.text, id=self.temporary))
        copies.restore(self.session, now.current or {}, source, self.temporary)

    def swap(self) -> None:
        """Give the restored instance the database's name and a managed password. Raises Refused and AwsProblem.

        RDS tags the password's secret with the ARN that the instance has then, and no document says that a
        renaming changes the tag. The permissions boundary allows the secret by that tag
        (careapp/delivery/template.yaml): so the name comes first.
        """
        now = self.read()
        if not now.swapped:
            if now.current is not None:
                copies.wait_until_available(self.session, self.temporary, self.waiting)
                self._rename(self.name, self.old)
            self._rename(self.old if now.returns else self.temporary, self.name)
        copies.wait_until_usable(self.session, self.name, self.waiting)

    def _rename(self, old: str, new: str) -> None:
        """Rename an instance and wait until it is available. Raises Refused and AwsProblem."""
        renaming = False

        def left() -> Text | None:
            nonlocal renaming
            renamed, before = (copies.described(self.session, name) for name in (new, old))
            if (
                renamed is not None
                and before is None
                and renamed["DBInstanceStatus"] == "available"
            ):
                return None
            if not renaming and before is not None and _settled(before):
                renaming = self._ask_rename(old, new)
            return t("{old} is being renamed to {new}", old=old, new=new)

        self.waiting.until_done(left, RENAME_MINUTES)

    def _ask_rename(self, old: str, new: str) -> bool:
        """Ask for the new name; return False while RDS still knows an instance of that name."""
        try:
            self.session.call(
                "rds",
                "modify_db_instance",
                DBInstanceIdentifier=old,
                NewDBInstanceIdentifier=new,
                ApplyImmediately=True,
            )
        except AwsProblem as problem:
            if problem.code not in TAKEN:
                raise
            return False
        return True

    def adopt(self) -> Instances:
        """Give the restored instance to Pulumi, which starts tasks with its password. Raises Refused and AwsProblem.

        The tag is removed last: until then the same command goes on. A second `up` sets back what the first
        one had instead; so does any other `pulumi up`.
        """
        now = self.read()
        current = now.current or {}
        resource = str(current["DbiResourceId"])
        if self.pulumi.instance_id() != resource:
            self.waiting.say(t("Pulumi's state gets the restored instance {id}.", id=resource))
            self.pulumi.set_instance_id(resource)
        self.pulumi.check_preview()
        self.pulumi.up(self.first)
        if self.first:
            self.waiting.say(
                t(
                    "The tasks have the restored database. A second `pulumi up` sets {keys} back.",
                    keys=", ".join(self.first),
                )
            )
            self.pulumi.up({})
        self.session.call(
            "rds",
            "remove_tags_from_resource",
            ResourceName=current["DBInstanceArn"],
            TagKeys=[restores.RESTORED],
        )
        return now

    def deletion(self, instance: Mapping[str, Any]) -> str:
        """Return the commands that delete an instance."""
        name = f"--db-instance-identifier {instance['DBInstanceIdentifier']}"
        commands = [f"aws rds delete-db-instance {name} --skip-final-snapshot"]
        if instance.get("DeletionProtection"):
            first = (
                f"aws rds modify-db-instance {name} --no-deletion-protection --apply-immediately"
            )
            commands.insert(0, first)
        for log in instance.get("EnabledCloudwatchLogsExports", ()):
            # RDS creates the group when the renamed instance logs, and does not delete it.
            group = f"/aws/rds/instance/{instance['DBInstanceIdentifier']}/{log}"
            commands.append(f"aws logs delete-log-group --log-group-name {group}")
        return " && ".join(map(self.session.place.complete, commands))


def _settled(instance: Mapping[str, Any]) -> bool:
    """Return whether an instance does not change its status on its own. RDS judges a damaged one itself."""
    status = instance["DBInstanceStatus"]
    return status == "available" or status not in USABLE | PASSING


def plan(restore: Restore, text: Text) -> Iterator[Line]:
    """Yield what a restore will change, for the confirmation."""
    where = t("{prefix} in {region}:", prefix=restore.names.prefix, region=restore.session.region)
    yield Line(where, "bold")
    for line in (
        t("{source} is restored beside {id}", source=text, id=restore.name),
        t("then {id} is renamed to {old}, and the restored instance gets its name", id=restore.name, old=restore.old),
        t("from then on until its new tasks run, the app has no database"),
        *_two_updates(restore),
        t("what was written later than the restored data is in {old} only", old=restore.old),
        *_files(restore),
    ):  # fmt: skip
        yield Line(f"  - {line!s}")


def _files(restore: Restore) -> Iterator[Text]:
    """Yield what a restore does not cover: the files in the bucket."""
    if UPLOADS_ENABLED in restore.settings.app_resources:
        yield t(
            "the app's files in the bucket stay as they are: restored rows can name files that were deleted since, and "
            "newer files have no row (docs/operate.md#the-apps-files)"
        )


def _two_updates(restore: Restore) -> Iterator[Text]:
    """Yield why there are two updates, where there are two, and how long ECS waits in the second one."""
    deployment = restore.settings.service.deployment
    if restore.first:
        yield t(
            "the old tasks have no database: so the first `pulumi up` sets {keys} for itself, and ECS does not "
            "wait with them, nor roll back to them; the second one sets this back, and ECS waits {minutes} "
            "minutes in it, while the app runs",
            keys=" ".join(f"{name}={value}" for name, value in restore.first.items()),
            minutes=deployment.wait or deployment.bake,
        )


def closing(restore: Restore, now: Instances) -> Iterator[Line]:
    """Yield the result, and how the old instance is deleted."""
    yield Line(t("{id} is restored.", id=restore.name), "bold green")
    if now.before is None:
        return
    kept = t("{old} runs on with the data from before, and is billed.", old=restore.old)
    yield Line(kept, "yellow")
    yield Line(t("When it is not needed any more: {command}", command=restore.deletion(now.before)))


def restore(stack: str, snapshot: str, moment: datetime | None, yes: bool) -> int:
    """Restore a snapshot or a moment; with neither go on. Return 0 restored, 1 refused or not in time, 2 unknown."""

    def work() -> int:
        settings = Settings.read(stack)
        restore = Restore(
            session_of(settings),
            settings,
            Waiting.printing(),
            PulumiStack(settings.names),
        )
        now = restore.read()
        restore.check(now)
        source = _source(restore, now, snapshot, moment)
        if not (now.swapped or now.returns or yes) and not _agreed(restore, now, source):
            return FAILED
        if source is not None:
            restore.begin(now, source)
        restore.swap()
        display(closing(restore, restore.adopt()))
        return 0

    interrupted = t(
        "interrupted; nothing is lost: `./careapp db restore -s {stack}` goes on.", stack=stack
    )
    return exit_code_of(work, interrupted)


def _source(
    restore: Restore, now: Instances, snapshot: str = "", moment: datetime | None = None
) -> Source | None:
    """Return what to restore; None to go on with an unfinished restore. Raises Refused and AwsProblem."""
    given = bool(snapshot or moment)
    if now.source is not None:
        restore.waiting.say(t("Going on with the restore of {source}.", source=now.source))
        wanted = snapshot or (moment.isoformat() if moment else now.source)
        if wanted != now.source:
            raise Refused(
                "A restore of {source} is under way. Go on with it without --time and --snapshot; to "
                "begin another one, first delete {id}.",
                source=now.source,
                id=restore.temporary,
            )
        return None
    if now.returns and given:
        raise Refused(
            "The data of {id} is in {old}: `./careapp db restore -s {stack}` without --time and --snapshot gives it "
            "its name back.",
            id=restore.name,
            old=restore.old,
            stack=restore.names.stack,
        )
    if now.returns:
        restore.waiting.say(t("{old} gets its name back.", old=restore.old))
        return None
    if not given:
        raise Refused(
            "No restore of {id} is under way; say what to restore: --time or --snapshot.",
            id=restore.name,
        )
    original = now.current
    if original is None or original["DBInstanceStatus"] in pauses.GOING_OFF:
        # It raises the reason: no database, or a paused stack.
        original = copies.described(
            restore.session, queries.database(restore.session, restore.names).id
        )
    original = original or {}
    known = restore.pulumi.instance_id()
    if known != original["DbiResourceId"]:
        raise Refused(
            "Pulumi's state knows {id} as {known}, RDS as {found}; run `pulumi refresh -s {stack}` "
            "first.",
            id=restore.name,
            known=known,
            found=str(original["DbiResourceId"]),
            stack=restore.names.stack,
        )
    return copies.choose(restore.session, original, snapshot, moment)


def _agreed(restore: Restore, now: Instances, source: Source | None) -> bool:
    """Ask for the stack's name. Raises Refused without a terminal."""
    stack = restore.names.stack
    if not sys.stdin.isatty():
        raise Refused(
            "restore asks for the stack's name before it replaces {id}, but there is no terminal; use "
            "--yes.",
            id=restore.name,
        )
    text = source.text if source else verbatim(now.source or "")
    for line in plan(restore, text):
        click.echo(line.text)
    typed: str = click.prompt(
        str(t("Type {stack} to go on", stack=stack)), default="", show_default=False
    )
    if typed.strip() != stack:
        click.echo(str(t("Nothing was changed.")))
        return False
    return True
