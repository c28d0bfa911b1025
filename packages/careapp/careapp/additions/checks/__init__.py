"""The checks of what only careapp has."""

from careapp.additions.checks import jobs, limits, restores, stages, uploads, workers
from ecs_gate.owner import Check

CHECKS: tuple[Check, ...] = (
    stages.is_paused,
    stages.missing,
    limits.near_limits,
    restores.interrupted_restore,
    uploads.bucket,
    workers.another_count,
    workers.workers,
    jobs.schedules,
    jobs.role,
    jobs.last_runs,
)
