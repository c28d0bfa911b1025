"""Deliberate breakages of the product, and the quick tests that each of them turns red."""

from __future__ import annotations

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
    # The program and its components.
    Breakage(
        "__main__.py",
        "    update.wait_for(service.service, balancer, service.workers, service.login_rule_arn)\n",
        "",
        REHEARSAL,
    ),
    Breakage(
        "__main__.py",
        "if settings.ecs_enabled:",
        "if True:",
        "tests/unit/test_program.py::test_stage_one_is_everything_but_ecs",
    ),
    Breakage(
        "__main__.py",
        "kept = guards.begin(settings)",
        'kept = {"zones": ["a", "c"]}',
        "tests/unit/test_program.py::test_stage_one_is_everything_but_ecs",
    ),
    Breakage(
        "infra/load_balancer.py",
        "path=health.path,",
        'path="/",',
        "tests/unit/test_infra_load_balancer.py::test_every_health_number_is_explicit",
    ),
    Breakage(
        "infra/load_balancer.py",
        "enable_deletion_protection=self.settings.protect,",
        "enable_deletion_protection=False,",
        "tests/unit/test_infra_load_balancer.py::test_it_faces_the_internet_from_the_public_subnets",
    ),
    Breakage(
        "infra/security_groups.py",
        '        rules.allow_https("app", task)\n',
        "",
        "tests/unit/test_infra_security_groups.py::test_the_ways_in_and_out",
    ),
    Breakage(
        "infra/service.py",
        "enable=True, rollback=True",
        "enable=True, rollback=False",
        "tests/unit/test_infra_service.py::test_the_whole_service",
    ),
    Breakage(
        "infra/task.py",
        "skip_destroy=True,",
        "skip_destroy=False,",
        "tests/unit/test_infra_service.py::test_the_whole_task_definition",
    ),
    Breakage(
        "infra/iam.py",
        'allow(secret_arn, "secretsmanager:GetSecretValue"),\n        *',
        'allow("*", "secretsmanager:GetSecretValue"),\n        *',
        "tests/unit/test_infra_iam.py::test_no_statement_allows_more_than_it_needs",
    ),
    Breakage(
        "infra/database.py",
        "storage_encrypted=True,",
        "storage_encrypted=False,",
        "tests/unit/test_infra_database.py::test_a_database_without_a_final_snapshot_goes_without_leaving_anything_billed",
    ),
    Breakage(
        "infra/database.py",
        "manage_master_user_password=True,",
        'password="hunter2",',
        "tests/unit/test_infra_database.py::test_a_database_without_a_final_snapshot_goes_without_leaving_anything_billed",
    ),
    Breakage(
        "infra/network.py",
        '"mapPublicIpOnLaunch": False',
        '"mapPublicIpOnLaunch": True',
        "tests/unit/test_infra_network.py::test_no_subnet_hands_out_public_addresses_and_nothing_else_is_changed",
    ),
    Breakage(
        "infra/guards.py",
        'if new["vpcCidr"] != old["vpcCidr"]:',
        "if False:",
        "tests/unit/test_program.py::test_what_the_last_update_had_and_aws_cannot_change_is_refused",
    ),
    # What a stack file may say.
    Breakage(
        "stack/rules.py",
        "if not self.low <= int(text) <= self.high:",
        "if not self.low <= int(text):",
        "tests/unit/test_settings_refused.py::test_a_number_may_be_at_its_bounds_and_not_beyond",
    ),
    Breakage(
        "stack/rules.py",
        "if network.prefixlen < WIDEST:",
        "if False:",
        "tests/unit/test_settings_refused.py::test_a_bad_value_is_refused_with_its_key_the_rule_and_the_way_out",
    ),
    Breakage(
        "stack/sizes.py",
        "return self.peak * self.connections_a_task + self.other_connections",
        "return self.tasks * self.connections_a_task + self.other_connections",
        "tests/unit/test_sizes.py::test_the_peak_counts_old_and_new_tasks_with_all_their_connections",
    ),
    # Policy and delivery.
    Breakage(
        "policy/database.py",
        'value(one, "port", 5432) == 5432',
        'value(one, "port", 5432) != 5432',
        "tests/unit/test_policy_pack.py::test_a_policy_passes_what_is_good_and_reports_what_is_not",
    ),
    Breakage(
        "delivery/cli.py",
        "    if number not in labelled:\n",
        "    if number in labelled:\n",
        "tests/unit/test_delivery_jobs.py::test_the_sweep_destroys_what_is_closed_or_over_its_time_and_nothing_else",
    ),
    # The gate and the doctor.
    Breakage(
        "tools/rollout/verdict.py",
        'if mine is not None and mine.rollout == "FAILED":',
        "if False:",
        "tools/tests/rollout/test_rollout_verdict.py::test_a_failure_is_believed_at_the_second_look_once_the_revision_had_appeared",
    ),
    Breakage(
        "tools/rollout/verdict.py",
        "if mine.running < view.desired or len(running) < view.desired:",
        "if False:",
        "tools/tests/rollout/test_rollout_verdict.py::test_the_limit_ends_what_does_not_end_by_itself_and_says_what_lacks",
    ),
    Breakage(
        "tools/rollout/look.py",
        "if found is None or not found.fails:",
        "if True:",
        "tools/tests/rollout/test_held.py::test_one_request_of_ten_that_fails_twice_is_wrong_before_any_user_meets_it",
    ),
    Breakage(
        "tools/rollout/health_change.py",
        "not matches(status, after.matcher)",
        "False",
        "tools/tests/rollout/test_health_change.py::test_another_path_is_refused_with_the_three_updates_that_work",
    ),
    Breakage(
        "tools/diagnosis/reachability.py",
        'direction == "egress" else group.ingress',
        'direction == "ingress" else group.ingress',
        "tools/tests/doctor/test_checks.py::test_a_healthy_stack_has_no_findings_and_all_of_it_was_checked",
    ),
    Breakage(
        "tools/doctor/checks/permissions.py",
        "decided(role, need.action, need.resource)) != ALLOWED",
        "decided(role, need.action, need.resource)) == DENIED",
        "tools/tests/doctor/test_checks.py::test_the_first_finding_is_the_root_cause",
    ),
    Breakage(
        "tools/pause/steps.py",
        'now.database.status == "stopped"',
        'now.database.status == "available"',
        "tools/tests/pause/test_pause.py::test_pause_writes_the_tags_first_and_stops_the_database_last",
    ),
    Breakage(
        "tools/i18n/masking.py",
        "return TOKENS.sub(MASK, text)",
        "return text",
        "tools/tests/i18n/test_masking.py::test_a_part_of_a_secret_is_masked",
    ),
    # The local cloud.
    Breakage(
        "tools/shared/aws_rules.py",
        "return min(200, max(3,",
        "return min(100, max(3,",
        "tools/tests/local_cloud/dataplane/test_scheduler_properties.py::test_the_threshold_is_half_of_desired_but_at_least_3_and_at_most_200",
    ),
    Breakage(
        "tools/local_cloud/aws/ecs/service.py",
        "elif rollback and (last := _candidate(service)) is not None:",
        "elif (last := None) is not None:",
        "tools/tests/local_cloud/dataplane/test_scheduler_properties.py::test_a_stopped_deployment_rolls_back_after_it_was_requested",
    ),
    Breakage(
        "tools/local_cloud/aws/ecs/service.py",
        "pause = min(FIRST_PAUSE_SECONDS * 2**over, LONGEST_PAUSE_SECONDS)",
        "pause = FIRST_PAUSE_SECONDS",
        "tools/tests/local_cloud/dataplane/test_scheduler_properties.py::test_tasks_that_never_start_are_tried_again_ever_more_slowly",
    ),
    Breakage(
        "tools/local_cloud/aws/ec2/firewall.py",
        "if not self.first_port <= port <= self.last_port:",
        "if False:",
        "tools/tests/local_cloud/dataplane/test_firewall.py::test_an_ingress_rule_lets_in_whom_it_names_on_its_ports",
    ),
    Breakage(
        "tools/local_cloud/aws/elb/targets.py",
        "if failures >= check.unhealthy_threshold",
        "if failures > check.unhealthy_threshold",
        "tools/tests/local_cloud/dataplane/test_routing.py::test_the_health_of_a_target_after_each_check",
    ),
    Breakage(
        "tools/local_cloud/aws/elb/targets.py",
        "    if healthy:\n        return healthy\n",
        "",
        "tools/tests/local_cloud/dataplane/test_routing.py::test_requests_go_to_healthy_targets_and_to_all_when_every_one_is_unhealthy",
    ),
    Breakage(
        "tools/local_cloud/aws/elb/rules.py",
        "if timeout >= interval:",
        "if timeout > interval + 99:",
        "tools/tests/local_cloud/providers/test_rules.py::test_a_health_check_that_makes_no_sense_is_refused",
    ),
    Breakage(
        "tools/local_cloud/aws/rds/rules.py",
        'if not params.get("AllowMajorVersionUpgrade"):',
        "if False:",
        "tools/tests/local_cloud/providers/test_databases.py::test_a_new_major_version_is_to_be_allowed_and_brings_parameters_of_its_family",
    ),
    Breakage(
        "tools/local_cloud/providers/lifecycle.py",
        "    if changed - done:\n",
        "    if False:\n",
        "tools/tests/local_cloud/providers/test_aws_servicer.py::test_a_change_that_no_operation_makes_is_refused_by_its_name",
    ),
    Breakage(
        "tools/local_cloud/providers/lifecycle.py",
        '    if inputs.get("skipDestroy"):\n        return\n',
        "",
        "tools/tests/local_cloud/providers/test_aws_servicer.py::test_what_skips_its_destruction_stays",
    ),
    Breakage(
        "tools/local_cloud/building/shell.py",
        "if False not in held and",
        "if",
        "tools/tests/local_cloud/building/test_dockerfiles.py::test_it_is_read_and_what_is_left_out_is_said",
    ),
    # The app and the page.
    Breakage(
        "webapp/db.py",
        "            if self.migrator.done.is_set():\n",
        "            if True:\n",
        "tests/webapp/test_database_faults.py::test_before_the_first_migration_the_page_says_that_the_database_is_not_ready",
    ),
    Breakage(
        "webapp/credentials.py",
        "if self._login != refused:",
        "if True:",
        "tests/webapp/test_credentials.py::test_without_a_given_login_the_secret_is_the_source",
    ),
    Breakage(
        "webapp/migrations.py",
        "if numbers != list(range(1, len(found) + 1)):",
        "if False:",
        "tests/webapp/test_migrations.py::test_a_folder_with_a_gap_or_a_wrong_name_is_refused",
    ),
    Breakage(
        "tools/rehearsal/page/state.py",
        "    if case.paused:\n",
        "    if not case.paused:\n",
        "tools/tests/local_cloud/dataplane/test_page_state.py::test_the_verdict_summarizes_the_state_in_english_and_japanese",
    ),
    Breakage(
        "tools/cost/compute.py",
        "    if not strategies:\n",
        "    if strategies:\n",
        "tools/tests/cost/test_cost_rules.py::test_a_month_costs",
    ),
)
"""One for each kind of thing that a change can break."""
