"""What `protect` protects, and all around it, whatever is done without a preview: nothing of it is lost."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.local_stack import LocalStack, local_stack

NAME = "careapp-prod"
PASSING = ("ResponseMetadata", "LatestRestorableTime", "lastEvaluatedAt")


def bucket(kind: str) -> Callable[[LocalStack], Any]:
    """Return how all is read that S3 holds of a bucket."""

    def read(stack: LocalStack) -> Any:
        names = [each["Name"] for each in stack.calls("s3", "list_buckets", {})["Buckets"]]
        [name] = [each for each in names if each.startswith(f"{NAME}-{kind}")]
        asked = ("public_access_block", "bucket_policy", "bucket_encryption", "bucket_versioning")
        asked += ("bucket_lifecycle_configuration",)
        return name, [answer(stack, "s3", f"get_{each}", Bucket=name) for each in asked]

    return read


def answer(stack: LocalStack, service: str, operation: str, **params: Any) -> Any:
    """Return what AWS answers, without what time changes."""

    def still(found: Any) -> Any:
        if isinstance(found, dict):
            return {key: still(value) for key, value in found.items() if key not in PASSING}
        return [still(each) for each in found] if isinstance(found, list) else found

    return still(stack.calls(service, operation, params))


def reads(*calls: tuple[str, str]) -> Callable[[LocalStack], Any]:
    return lambda stack: [answer(stack, *each) for each in calls]


def repository(stack: LocalStack) -> Any:
    [found] = answer(stack, "ecr", "describe_repositories")["repositories"]
    named = {"repositoryName": found["repositoryName"]}
    return [
        found,
        answer(stack, "ecr", "get_lifecycle_policy", **named),
        answer(stack, "ecr", "describe_images", **named),
    ]


def service(stack: LocalStack) -> Any:
    asked = {"cluster": f"{NAME}-cluster", "services": [f"{NAME}-service"]}
    [found] = answer(stack, "ecs", "describe_services", **asked)["services"]
    alarms = answer(stack, "cloudwatch", "describe_alarms")["MetricAlarms"]
    return found["status"], sorted(each["AlarmName"] for each in alarms)


@dataclass(frozen=True)
class Row:
    """One protected resource: how AWS shows it, what of the state is around it, and the setting that has it."""

    read: Callable[[LocalStack], Any]
    around: tuple[str, ...]
    """Ends of URNs."""
    key: str = ""
    edit: tuple[str, str, str] | None = None
    """How the program no longer declares it, with all settings as they were."""


LOG_GROUPS = ("logs", "describe_log_groups")
OF_A_BUCKET = (
    *("Bucket", "BucketPolicy", "BucketPublicAccessBlock", "BucketLifecycleConfiguration"),
    "BucketServerSideEncryptionConfiguration",
)
ROWS = {
    "files": Row(
        bucket("uploads"),
        tuple(f":{each}::{NAME}-uploads" for each in (*OF_A_BUCKET, "BucketVersioning")),
        "uploadsEnabled",
        ("__main__.py", "if settings.uploads_enabled:", "if 0:"),
    ),
    "access logs": Row(
        bucket("access-logs"),
        tuple(f":{each}::{NAME}-access-logs" for each in OF_A_BUCKET),
        "trafficLogs",
        ("infra/load_balancer.py", "if not self.settings.logs.traffic:", "if self:"),
    ),
    "flow log": Row(
        reads(LOG_GROUPS, ("ec2", "describe_flow_logs")),
        tuple(f":{each}::{NAME}-flow" for each in ("LogGroup", "FlowLog", "Role", "RolePolicy")),
        "trafficLogs",
        ("infra/network.py", "if settings.logs.traffic:", "if None:"),
    ),
    "database's logs": Row(
        reads(LOG_GROUPS),
        (f":LogGroup::{NAME}-database-postgresql", f":LogGroup::{NAME}-database-upgrade"),
        "databaseMonitoring",
    ),
    "database": Row(
        reads(
            *(("rds", f"describe_db_{each}") for each in ("instances", "subnet_groups")),
            *(("rds", f"describe_db_{each}") for each in ("parameter_groups", "snapshots")),
            ("secretsmanager", "list_secrets"),
        ),
        tuple(
            f":{each}::{NAME}-database" for each in ("Instance", "SubnetGroup", "ParameterGroup")
        ),
    ),
    "repository": Row(
        repository, tuple(f":{each}::{NAME}-app" for each in ("Repository", "LifecyclePolicy"))
    ),
    "load balancer": Row(
        reads(("elbv2", "describe_load_balancers"), ("elbv2", "describe_target_groups")),
        (f":LoadBalancer::{NAME}-alb", f":Listener::{NAME}-http"),
    ),
    "service": Row(service, (f":Service::{NAME}-service",), "ecsEnabled"),
    "network": Row(
        reads(("ec2", "describe_vpcs"), ("ec2", "describe_subnets")),
        (f"/vpc:Vpc::{NAME}", f":Subnet::{NAME}-database-1"),
    ),
}
TARGET = "--target"
SETTINGS = {name: row for name, row in ROWS.items() if row.key}
EDITS = {name: row for name, row in ROWS.items() if row.edit}


class Protected:
    """A protected stack on which everything is tried."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.untouched: Any = None
        self.ids = self.state()

    def state(self) -> dict[str, str | None]:
        """Return the id of each resource in the state. The engine's own providers come and go."""
        known = {each["urn"]: each.get("id") for each in self.stack.resources()}
        return {urn: known[urn] for urn in known if "pulumi:providers:" not in urn}

    def urns(self, row: Row) -> list[str]:
        """Return what stands around a resource, each exactly once."""
        found = [[urn for urn in self.ids if urn.endswith(end)] for end in row.around]
        assert [len(each) for each in found] == [1] * len(row.around)
        return [urn for [urn] in found]

    def attempt(self, verb: str, *more: str) -> str:
        """Run pulumi without a preview; return what it says when it fails, and "" otherwise."""
        status, said = self.stack.attempt(verb, "--yes", "--skip-preview", *more)
        return said if status else ""

    def held(self, row: Row) -> Any:
        """Return what AWS and the state hold of a row."""
        ids = self.state()
        return row.read(self.stack), [ids.get(urn) for urn in self.urns(row)]

    def everything(self) -> Any:
        """Return what AWS and the state hold of all rows, and the names of all resources."""
        return {name: self.held(row) for name, row in ROWS.items()}, self.state()


@pytest.fixture(scope="module")
def protected(tmp_path_factory):
    with local_stack(tmp_path_factory.mktemp("protection"), "prod") as stack:
        stack.up(ecsEnabled="true", uploadsEnabled="true")
        named = {"DBSnapshotIdentifier": "by-hand", "DBInstanceIdentifier": NAME}
        stack.calls("rds", "create_db_snapshot", named)
        yield Protected(stack)


@pytest.fixture(autouse=True)
def nothing_lost(protected):
    """Compare all that AWS and the state hold with what they held before the first test."""
    protected.untouched = protected.untouched or protected.everything()
    yield
    assert protected.everything() == protected.untouched


@pytest.mark.parametrize(("name", "flag"), [*((each, "") for each in SETTINGS), ("files", TARGET)])
def test_an_up_without_a_preview_is_refused_before_anything_changes(protected, name, flag):
    row, stack = SETTINGS[name], protected.stack
    more = [f"{flag}={urn}" for urn in protected.urns(row) if flag]
    stack.configure({row.key: "false"})
    said = protected.attempt("up", *more)
    stack.configure({row.key: "true"})
    assert f"{row.key}: false is refused: it would delete" in said
    assert f"pulumi config set {row.key} true" in said
    assert "1 errored" in said


def test_protection_is_lifted_by_an_update_of_its_own(protected):
    protected.stack.configure({"protect": "false", "uploadsEnabled": "false"})
    said = protected.attempt("up")
    protected.stack.configure({"protect": "true", "uploadsEnabled": "true"})
    assert "uploadsEnabled: false is refused" in said


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("more", [(), ("--target-dependents",)])
def test_a_destroy_of_a_part_is_refused(protected, name, more):
    targets = [f"{TARGET}={urn}" for urn in protected.urns(ROWS[name])]
    said = protected.attempt("destroy", *targets, *more)
    assert ("it is protected" if more else "was not specified in --target list") in said


@pytest.mark.parametrize("name", EDITS)
def test_nothing_around_a_protected_resource_is_replaced(protected, name):
    targets = [f"--target-replace={urn}" for urn in protected.urns(ROWS[name])]
    assert "it is currently marked for protection" in protected.attempt("up", *targets)


def test_what_the_program_no_longer_declares_stays_whole(protected):
    stack = protected.stack
    for row in EDITS.values():
        stack.edit(*row.edit)
    said = protected.attempt("up")
    for row in EDITS.values():
        file, declared, gone = row.edit
        stack.edit(file, gone, declared)
    assert "it is protected" in said
    for name, row in EDITS.items():
        assert protected.held(row) == protected.untouched[0][name]
    stack.up()


def test_a_destroy_of_all_or_of_all_but_the_protection_deletes_nothing(protected):
    [protection] = [urn for urn in protected.ids if urn.endswith(f":Protection::{NAME}")]
    assert "it is protected" in protected.attempt("destroy")
    protected.attempt("destroy", "--exclude-protected")
    protected.attempt("destroy", f"--exclude={protection}")
