"""Deliberate breakages of the product, and the quick tests that each of them turns red."""

from dataclasses import dataclass
from pathlib import Path

from tools.rehearsal.faults import Edit

REHEARSAL = "./careapp rehearse"
"""What the small size ends with, in place of a file of tests."""


@dataclass(frozen=True)
class Breakage:
    """One wrong line: in ``file``, ``old`` became ``new``. ``tests`` are quick tests that must see it."""

    file: str
    old: str
    new: str
    tests: str

    def apply(self, root: Path) -> None:
        """Break the copy of the project at ``root``. Raises FaultError where the line is not there once."""
        Edit(file=self.file, old=self.old, new=self.new).apply(root)

    def __str__(self) -> str:
        return f"{self.file}: {self.new.strip() or 'without ' + self.old.strip()}".splitlines()[0]


BREAKAGES = (
    Breakage(
        "__main__.py",
        "    update.wait_for(service.service, balancer, service.workers, service.login_rule_arns)\n",
        "",
        REHEARSAL,
    ),
    Breakage(
        "infra/iam.py",
        'allow(secret_arn, "secretsmanager:GetSecretValue"),\n        *',
        'allow("*", "secretsmanager:GetSecretValue"),\n        *',
        "tests/unit/test_declared.py::test_no_statement_allows_more_than_it_needs",
    ),
    Breakage(
        "stack/sizes.py",
        "return self.peak * self.connections_a_task + self.other_connections",
        "return self.tasks * self.connections_a_task + self.other_connections",
        "tests/unit/test_sizes.py::test_the_peak_counts_old_and_new_tasks_with_all_their_connections",
    ),
    Breakage(
        "policy/database.py",
        'value(one, "port", 5432) == 5432',
        'value(one, "port", 5432) != 5432',
        "tests/unit/test_policy_pack.py::test_a_policy_passes_what_is_good_and_reports_what_is_not",
    ),
    Breakage(
        "webapp/credentials.py",
        "if self._login != refused:",
        "if True:",
        "tests/webapp/test_credentials.py::test_without_a_given_login_the_secret_is_the_source",
    ),
    Breakage(
        "tools/rollout/verdict.py",
        'if mine is not None and mine.rollout == "FAILED":',
        "if False:",
        "tools/tests/rollout/test_judge.py::test_verdict_of_the_last_look",
    ),
    Breakage(
        "tools/diagnosis/reachability.py",
        'direction == "egress" else group.ingress',
        'direction == "ingress" else group.ingress',
        "tools/tests/doctor/test_checks.py::test_a_healthy_stack_has_no_findings_and_all_of_it_was_checked",
    ),
    Breakage(
        "tools/pause/steps.py",
        'database.status == "stopped"',
        'database.status == "available"',
        "tools/tests/pause/test_pause.py::test_a_pause_tags_first_and_stops_the_database_last",
    ),
    Breakage(
        "tools/i18n/masking.py",
        "return TOKENS.sub(MASK, text)",
        "return text",
        "tools/tests/i18n/test_masking.py::test_a_part_of_a_secret_is_masked",
    ),
    Breakage(
        "local_cloud/aws/ecs/service.py",
        "elif rollback and (last := _candidate(service)) is not None:",
        "elif (last := None) is not None:",
        "local_cloud/tests/dataplane/test_scheduler_properties.py::test_a_stopped_deployment_rolls_back_after_it_was_requested",
    ),
    Breakage(
        "local_cloud/aws/elb/targets.py",
        "    if healthy:\n        return healthy\n",
        "",
        "local_cloud/tests/dataplane/test_routing.py::test_requests_go_to_healthy_targets_and_to_all_when_every_one_is_unhealthy",
    ),
    Breakage(
        "local_cloud/providers/lifecycle.py",
        "    if changed - done:\n",
        "    if False:\n",
        "local_cloud/tests/providers/test_aws_servicer.py::test_a_resource_is_created_changed_read_and_deleted",
    ),
)
"""One for each part: of its lines one that neither types nor another part's tests would miss, and that harms most."""
