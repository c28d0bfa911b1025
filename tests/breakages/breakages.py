"""Deliberate breakages of the product: quick tests, and the wrong line that each of them must see."""

from tools.rehearsal.faults import Edit

REHEARSAL = "./careapp rehearse"
"""What the small size ends with, in place of a file of tests."""

BREAKAGES = {
    REHEARSAL: Edit(
        "__main__.py",
        "    update.wait_for(service.service, balancer, service.workers, service.login_rule_arns)\n",
        "",
    ),
    "tests/unit/test_declared.py::test_no_statement_allows_more_than_it_needs": Edit(
        "infra/iam.py",
        'allow(secret_arn, "secretsmanager:GetSecretValue"),\n        *',
        'allow("*", "secretsmanager:GetSecretValue"),\n        *',
    ),
    "tests/unit/test_sizes.py::test_the_peak_counts_old_and_new_tasks_with_all_their_connections": Edit(
        "stack/sizes.py",
        "return self.peak * self.connections_a_task + self.other_connections",
        "return self.tasks * self.connections_a_task + self.other_connections",
    ),
    "tests/unit/test_policy_pack.py::test_a_policy_passes_what_is_good_and_reports_what_is_not": Edit(
        "policy/database.py",
        'value(one, "port", 5432) == 5432',
        'value(one, "port", 5432) != 5432',
    ),
    "tests/webapp/test_credentials.py::test_without_a_given_login_the_secret_is_the_source": Edit(
        "webapp/credentials.py",
        "if self._login != refused:",
        "if True:",
    ),
    "tools/tests/rollout/test_judge.py::test_verdict_of_the_last_look": Edit(
        "tools/rollout/verdict.py",
        'if mine is not None and mine.rollout == "FAILED":',
        "if False:",
    ),
    "tools/tests/doctor/test_checks.py::test_a_healthy_stack_has_no_findings_and_all_of_it_was_checked": Edit(
        "tools/diagnosis/reachability.py",
        'direction == "egress" else group.ingress',
        'direction == "ingress" else group.ingress',
    ),
    "tools/tests/pause/test_pause.py::test_a_pause_tags_first_and_stops_the_database_last": Edit(
        "tools/pause/steps.py",
        'database.status == "stopped"',
        'database.status == "available"',
    ),
    "tools/tests/i18n/test_masking.py::test_a_part_of_a_secret_is_masked": Edit(
        "tools/i18n/masking.py",
        "return TOKENS.sub(MASK, text)",
        "return text",
    ),
    "local_cloud/tests/dataplane/test_scheduler_properties.py": Edit(
        "local_cloud/aws/ecs/service.py",
        "elif rollback and (last := _candidate(service)) is not None:",
        "elif (last := None) is not None:",
    ),
    "local_cloud/tests/dataplane/test_routing.py": Edit(
        "local_cloud/aws/elb/targets.py",
        "    if healthy:\n        return healthy\n",
        "",
    ),
    "local_cloud/tests/providers/test_aws_servicer.py::test_a_resource_is_created_changed_read_and_deleted": Edit(
        "local_cloud/providers/lifecycle.py",
        "    if changed - done:\n",
        "    if False:\n",
    ),
}
"""One for each part: of its lines one that neither types nor another part's tests would miss, and that harms most."""
