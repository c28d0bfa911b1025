"""Deliberate breakages of the product, and the quick tests that each of them turns red."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REHEARSAL = "./careapp rehearse"
"""What the small size ends with, in place of a file of tests."""


@dataclass(frozen=True)
class Breakage:
    """One wrong line: in ``file``, ``old`` became ``new``. ``tests`` is a file of quick tests that must see it."""

    file: str
    old: str
    new: str
    tests: str

    def apply(self, root: Path) -> None:
        """Break the copy of the project at ``root``."""
        path = root / self.file
        text = path.read_text()
        assert text.count(self.old) == 1, (
            f"{self.file} has {self.old!r} {text.count(self.old)} times"
        )
        path.write_text(text.replace(self.old, self.new))

    def __str__(self) -> str:
        return f"{self.file}: {self.new.strip() or 'without ' + self.old.strip()}".splitlines()[0]


BREAKAGES = (
    # The program and its components.
    Breakage(
        "__main__.py",
        "    gate.gate(service.service, balancer, settings, changes)\n",
        "",
        REHEARSAL,
    ),
    Breakage("__main__.py", "if settings.ecs_enabled:", "if True:", "tests/unit/test_program.py"),
    Breakage(
        "__main__.py",
        "kept = refuse_impossible_changes(settings)",
        'kept = {"zones": ["a", "c"]}',
        "tests/unit/test_program.py",
    ),
    Breakage(
        "infra/load_balancer.py",
        "path=health.path,",
        'path="/",',
        "tests/unit/test_infra_load_balancer.py",
    ),
    Breakage(
        "infra/load_balancer.py",
        "enable_deletion_protection=self.settings.protect,",
        "enable_deletion_protection=False,",
        "tests/unit/test_infra_load_balancer.py",
    ),
    Breakage(
        "infra/security_groups.py",
        '        rules.allow_https("app", task)\n',
        "",
        "tests/unit/test_infra_security_groups.py",
    ),
    Breakage(
        "infra/service.py",
        "enable=True, rollback=True",
        "enable=True, rollback=False",
        "tests/unit/test_infra_service.py",
    ),
    Breakage(
        "infra/task.py",
        "skip_destroy=True,",
        "skip_destroy=False,",
        "tests/unit/test_infra_service.py",
    ),
    Breakage(
        "infra/iam.py",
        'allow(secret_arn, "secretsmanager:GetSecretValue"),\n        *',
        'allow("*", "secretsmanager:GetSecretValue"),\n        *',
        "tests/unit/test_infra_iam.py",
    ),
    Breakage(
        "infra/database.py",
        "storage_encrypted=True,",
        "storage_encrypted=False,",
        "tests/unit/test_infra_database.py",
    ),
    Breakage(
        "infra/database.py",
        "manage_master_user_password=True,",
        'password="hunter2",',
        "tests/unit/test_infra_database.py",
    ),
    Breakage(
        "infra/network.py",
        '"mapPublicIpOnLaunch": False',
        '"mapPublicIpOnLaunch": True',
        "tests/unit/test_infra_network.py",
    ),
    Breakage(
        "infra/guards.py",
        'if new["vpcCidr"] != old["vpcCidr"]:',
        "if False:",
        "tests/unit/test_program.py",
    ),
    # What a stack file may say.
    Breakage(
        "stack/rules.py",
        "if not low <= int(text) <= high:",
        "if not low <= int(text):",
        "tests/unit/test_settings_refused.py",
    ),
    Breakage(
        "stack/rules.py",
        "if network.prefixlen < WIDEST:",
        "if False:",
        "tests/unit/test_settings_refused.py",
    ),
    Breakage(
        "stack/sizes.py",
        "return self.peak * self.connections_a_task + OWN_CONNECTIONS",
        "return self.tasks * self.connections_a_task + OWN_CONNECTIONS",
        "tests/unit/test_sizes.py",
    ),
    # Policy and delivery.
    Breakage(
        "policy/database.py",
        'value(one, "port", 5432) == 5432',
        'value(one, "port", 5432) != 5432',
        "tests/unit/test_policy_pack.py",
    ),
    Breakage(
        "delivery/cli.py",
        "    if number not in labelled:\n",
        "    if number in labelled:\n",
        "tests/unit/test_delivery_jobs.py",
    ),
    # The gate and the doctor.
    Breakage(
        "ops/rollout/verdict.py",
        'if mine is not None and mine.rollout == "FAILED":',
        "if False:",
        "tests/ops/test_rollout_verdict.py",
    ),
    Breakage(
        "ops/rollout/verdict.py",
        "if mine.running < view.desired or len(running) < view.desired:",
        "if False:",
        "tests/ops/test_rollout_verdict.py",
    ),
    Breakage(
        "ops/rollout/held.py",
        "if found is None or not found.fails:",
        "if True:",
        "tests/ops/test_held.py",
    ),
    Breakage(
        "ops/rollout/health_change.py",
        "not includes(after.matcher, status)",
        "False",
        "tests/ops/test_health_change.py",
    ),
    Breakage(
        "ops/diagnosis/reachability.py",
        'direction == "egress" else group.ingress',
        'direction == "ingress" else group.ingress',
        "tests/ops/test_checks.py",
    ),
    Breakage(
        "ops/doctor/checks/permissions.py",
        "decided(role, need.action, need.resource)) != ALLOWED",
        "decided(role, need.action, need.resource)) == DENIED",
        "tests/ops/test_checks.py",
    ),
    Breakage(
        "ops/pause/steps.py",
        'now.database.status == "stopped"',
        'now.database.status == "available"',
        "tests/ops/test_pause.py",
    ),
    Breakage(
        "i18n/masking.py",
        "return TOKENS.sub(MASK, text)",
        "return text",
        "tests/unit/test_masking.py",
    ),
    # The local cloud.
    Breakage(
        "rehearsal/aws/ecs/service.py",
        "if primary.failed_tasks < breaker.threshold(service.settings.desired):",
        "if True:",
        "tests/dataplane/test_simulation.py",
    ),
    Breakage(
        "rehearsal/aws/ecs/service.py",
        "elif rollback and (last := _candidate(service)) is not None:",
        "elif (last := None) is not None:",
        "tests/dataplane/test_simulation.py",
    ),
    Breakage(
        "rehearsal/aws/ecs/service.py", "[: max(spare, 0)]", "", "tests/dataplane/test_rolling.py"
    ),
    Breakage(
        "rehearsal/aws/ec2/firewall.py",
        "if not self.first_port <= port <= self.last_port:",
        "if False:",
        "tests/dataplane/test_firewall.py",
    ),
    Breakage(
        "rehearsal/aws/elb/targets.py",
        "if failures >= check.unhealthy_threshold",
        "if failures > check.unhealthy_threshold",
        "tests/dataplane/test_simulation.py",
    ),
    Breakage(
        "rehearsal/aws/elb/targets.py",
        "    if healthy:\n        return healthy\n",
        "",
        "tests/dataplane/test_routing.py",
    ),
    Breakage(
        "rehearsal/aws/elb/rules.py",
        "if timeout >= interval:",
        "if timeout > interval + 99:",
        "tests/providers/test_rules.py",
    ),
    Breakage(
        "rehearsal/aws/rds/rules.py",
        'if not params.get("AllowMajorVersionUpgrade"):',
        "if False:",
        "tests/providers/test_databases.py",
    ),
    Breakage(
        "rehearsal/providers/lifecycle.py",
        "    if changed - done:\n",
        "    if False:\n",
        "tests/providers/test_aws_servicer.py",
    ),
    Breakage(
        "rehearsal/providers/lifecycle.py",
        '    if inputs.get("skipDestroy"):\n        return\n',
        "",
        "tests/providers/test_aws_servicer.py",
    ),
    Breakage(
        "rehearsal/building/shell.py",
        "if False not in held and",
        "if",
        "tests/unit/test_dockerfiles.py",
    ),
    # The app and the page.
    Breakage(
        "webapp/db.py", "            self._away.set()\n", "", "tests/webapp/test_database_faults.py"
    ),
    Breakage(
        "webapp/credentials.py",
        "if self._login != refused:",
        "if True:",
        "tests/webapp/test_credentials.py",
    ),
    Breakage(
        "webapp/migrations.py",
        "if numbers != list(range(1, len(found) + 1)):",
        "if False:",
        "tests/webapp/test_migrations.py",
    ),
    Breakage(
        "rehearsal/page/state.py",
        "    if case.paused:\n",
        "    if not case.paused:\n",
        "tests/ops/test_page.py",
    ),
    Breakage(
        "ops/cost/compute.py",
        "    if not strategies:\n",
        "    if strategies:\n",
        "tests/ops/test_cost_rules.py",
    ),
)
"""One for each kind of thing that a change can break."""
