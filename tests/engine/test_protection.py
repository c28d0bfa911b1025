"""What `protect` protects, and all around it, whatever is done without a preview: nothing of it is lost."""

from pathlib import Path

import pytest
import yaml

from tests.support.every_setting import left_to_do
from tests.support.local_stack import LocalStack, local_stack

NAME = "careapp-prod"


ROWS = yaml.safe_load(Path(__file__).with_name("protection.yaml").read_text())
TARGET = "--target"
SETTINGS = {name: row["key"] for name, row in ROWS.items() if "key" in row}
EDITS = {name: row["edit"] for name, row in ROWS.items() if "edit" in row}
MORE_THAN_THE_STATE = (
    ("ecr", "describe_images", {"repositoryName": f"{NAME}/hello-ecs"}, "imageDetails"),
    ("rds", "describe_db_snapshots", {}, "DBSnapshots"),
)
"""What AWS keeps in the repository, and of the database."""


class Protected:
    """A protected stack on which everything is tried."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.ids = self.state()
        self.kept = self.more()

    def state(self) -> dict[str, str | None]:
        """Return the id of each resource in the state. The engine's own providers come and go."""
        known = {resource["urn"]: resource.get("id") for resource in self.stack.resources()}
        return {urn: known[urn] for urn in known if "pulumi:providers:" not in urn}

    def more(self) -> list[int]:
        """Return how much AWS holds that is no resource of the state."""
        answers = [
            (self.stack.calls(service, operation, params), key)
            for service, operation, params, key in MORE_THAN_THE_STATE
        ]
        return [len(answer[key]) for answer, key in answers]

    def urns(self, name: str) -> list[str]:
        """Return what stands around a resource, each exactly once."""
        around = ROWS[name]["around"]
        found = [[urn for urn in self.ids if urn.endswith(end)] for end in around]
        assert [len(each) for each in found] == [1] * len(around)
        return [urn for [urn] in found]

    def attempt(self, verb: str, *more: str) -> str:
        """Run pulumi without a preview; return what it says when it fails, and "" otherwise."""
        status, said = self.stack.attempt(verb, "--yes", "--skip-preview", *more)
        return said if status else ""


@pytest.fixture(scope="module")
def protected(tmp_path_factory):
    with local_stack(tmp_path_factory.mktemp("protection"), "prod") as stack:
        stack.up(ecsEnabled="true", uploadsEnabled="true")
        named = {"DBSnapshotIdentifier": "by-hand", "DBInstanceIdentifier": NAME}
        stack.calls("rds", "create_db_snapshot", named)
        yield (held := Protected(stack))
        assert left_to_do(stack) == [], "AWS holds what the state says"
        assert held.more() == held.kept


@pytest.fixture(autouse=True)
def nothing_lost(protected):
    """Compare the resources in the state with those before the first test."""
    yield
    assert protected.state() == protected.ids


@pytest.mark.parametrize(("name", "flag"), [*((each, "") for each in SETTINGS), ("files", TARGET)])
def test_an_up_without_a_preview_is_refused_before_anything_changes(protected, name, flag):
    key, stack = SETTINGS[name], protected.stack
    more = [f"{flag}={urn}" for urn in protected.urns(name) if flag]
    stack.configure({key: "false"})
    said = protected.attempt("up", *more)
    stack.configure({key: "true"})
    assert f"{key}: false is refused: it would delete" in said
    assert f"pulumi config set {key} true" in said
    assert "1 errored" in said


def test_protection_is_lifted_by_an_update_of_its_own(protected):
    protected.stack.configure({"protect": "false", "uploadsEnabled": "false"})
    said = protected.attempt("up")
    protected.stack.configure({"protect": "true", "uploadsEnabled": "true"})
    assert "uploadsEnabled: false is refused" in said


@pytest.mark.parametrize("name", ["files", "database", "network"])
@pytest.mark.parametrize("more", [(), ("--target-dependents",)])
def test_a_destroy_of_a_part_is_refused(protected, name, more):
    """As one of every part is: everything stands behind the protection (test_declared)."""
    targets = [f"{TARGET}={urn}" for urn in protected.urns(name)]
    said = protected.attempt("destroy", *targets, *more)
    assert ("it is protected" if more else "was not specified in --target list") in said


@pytest.mark.parametrize("name", EDITS)
def test_nothing_around_a_protected_resource_is_replaced(protected, name):
    targets = [f"--target-replace={urn}" for urn in protected.urns(name)]
    assert "it is currently marked for protection" in protected.attempt("up", *targets)


def test_a_change_that_would_replace_the_database_is_refused(protected):
    protected.stack.edit("infra/database.py", "db_name=self.db_name,", 'db_name="another",')
    said = protected.attempt("up")
    protected.stack.edit("infra/database.py", 'db_name="another",', "db_name=self.db_name,")
    assert "unprotect" in said
    assert "careapp:infra:Database$aws:rds/instance:Instance" in said


def test_what_the_program_no_longer_declares_stays_whole(protected):
    stack = protected.stack
    for edit in EDITS.values():
        stack.edit(*edit)
    said = protected.attempt("up")
    for file, declared, gone in EDITS.values():
        stack.edit(file, gone, declared)
    assert "it is protected" in said
    for name in EDITS:
        assert {urn: protected.ids[urn] for urn in protected.urns(name)}.items() <= (
            protected.state().items()
        )
    stack.up()


def test_a_destroy_of_all_or_of_all_but_the_protection_deletes_nothing(protected):
    [protection] = [urn for urn in protected.ids if urn.endswith(f":Protection::{NAME}")]
    assert "it is protected" in protected.attempt("destroy")
    protected.attempt("destroy", "--exclude-protected")
    protected.attempt("destroy", f"--exclude={protection}")
