"""Compares this project's settings with other tools' defaults, and writes docs/defaults.md.

Run it from the project's folder with ``.venv/bin/python``; at the usual speed it takes seven minutes, nearly all of
it waiting.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from benchmarks.defaults.measure import CRASH, GOOD, NO_PATH, Said, Scenario, Seen, cloud, measure
from benchmarks.defaults.profiles import Profile, Told, profiles
from rehearsal.console import duration
from rehearsal.paths import ROOT
from tests.dataplane.stack import Stack

SPEED = 10.0
"""Half of the rehearsal's speed, so that the start of a process on this machine counts less."""
MINUTES = 60.0
APART = 1.0
"""Real seconds between two services, so that they do not start all tasks at once."""
TEXT = """# Defaults, compared

A Fargate service of one task behind a load balancer, with this program's settings and with those of people who set
nothing: in `pulumi_aws`, awsx, CDK and AWS Copilot. Measured on {day} by `benchmarks/defaults/compare.py`: each number
comes from a service that ran on the local cloud's scheduler, load balancer and health checks, AWS's waits passing
{speed:g} times faster. Times are AWS's, from the creation of the service.

## What each sets

Times in seconds; "breaker" is ECS's deployment circuit breaker. Only the health check's path is given to all alike.

{settings}
## What comes of it

Three first roll-outs each: the app as it should be, a load balancer that asks a path which the app does not have
(404), and an app that ends as soon as it starts. Each was followed to its end or for {minutes:g} minutes of AWS's time;
"never" is a roll-out that ECS had not declared failed by then, with the tasks that it had started.

{results}
What the tool says is measured, too: the gate is this project's own; for the others the rule by which each waits was
followed on the same clock, with a look every 10 s.

- **careapp**: `pulumi up` is red with the doctor's diagnosis, and stays red until the target revision runs
  (`ops/rollout/gate.py`). The services of this comparison are not a whole stack, so the doctor is not asked while they
  fail. In a stack it is, and a roll-out whose cause is certain ends as soon as the first task has failed
  ([decision 8](decisions.md#8-a-failed-roll-out-fails-pulumi-up)): the table below.
- **pulumi_aws**: it waits until the service is ACTIVE, which it is at once (hashicorp/terraform-provider-aws,
  `internal/service/ecs/service.go`, `waitServiceActive`): green, while ECS starts one task after the other.
- **`wait_for_steady_state`, awsx**: red after 20 minutes with "timeout while waiting for state to become 'tfSTABLE'
  (last state: 'tfPENDING', timeout: 20m0s)" (pulumi/pulumi-awsx#1112); ECS goes on after that. With a circuit breaker
  it would be red as soon as the deployment has stopped or was rolled back (`findDeploymentStatus`, same file).
- **CDK**: CloudFormation keeps the stack in progress (aws/aws-cdk#30728) and gives up after 3 hours
  (aws/aws-cdk#37755); that is quoted, not measured: the local cloud has no CloudFormation.
- **Copilot**: CloudFormation fails the service with ["ECS Deployment Circuit Breaker was triggered"][breaker] and rolls
  the stack back; meanwhile Copilot shows the two latest stop reasons (its release notes of v1.31).

With the doctor, by whole stacks of `./careapp rehearse --break` on 2026-11-27 (`benchmarks/faults.py`, 5 times
faster than AWS):

| mistake | red after | ECS would give up after | the soonest of the others |
| --- | --- | --- | --- |
| health check's path: 404 | 1 min 33 s | 6 min 18 s | Copilot, 7 min 5 s |
| crash at start | 34 s | 1 min 39 s | Copilot, 1 min 43 s |
| missing image | 35 s | not measured | not measured |
| missing key of a secret | 38 s | not measured | not measured |
| missing log group | 31 s | not measured | not measured |
| another port | 1 min 33 s | not measured | not measured |

[breaker]: https://repost.aws/articles/ARQJJetqfbSGq8hUxlBV9O8Q/ecs-deployment-circuit-breaker-was-triggered

## Why

- A new target is healthy after its first passing check, whatever the healthy threshold (Amazon ECS developer guide,
  "Load balancer health check"): the page waits for the interval, not for the threshold.
- A failed task counts once it has stopped: after the health check, the grace period and the deregistration delay. The
  breaker trips at three (API reference, ServiceDeploymentCircuitBreaker).
- Without the breaker nothing is ever declared failed, so only a tool that waits can be red, and only by its own limit.

The local cloud takes 25 s to start a task, and this app listens at once. AWS takes as long as image and app need, and
replaces tasks more slowly (51 s were measured from one task that crashes at once to the next), in every row alike:
compare the rows rather than trust the minutes.

## Where the numbers stand

{sources}"""
AT_ONCE = 5.0
"""AWS seconds below which a tool did not wait; API calls take some on a fast clock."""
COLUMNS = {
    "interval": "interval",
    "timeout": "timeout",
    "healthy": "healthy",
    "unhealthy": "unhealthy",
    "deregistration": "deregistration",
    "grace": "grace",
    "minimum": "min %",
    "maximum": "max %",
    "breaker": "breaker",
    "rollback": "rollback",
    "wait": "who waits",
    "limit": "at most",
}
RESULTS = (
    "first page",
    "steady",
    "404: ECS declares failure",
    "404: the tool says",
    "crash: ECS declares failure",
    "crash: the tool says",
)


@dataclass(frozen=True)
class Row:
    """The results of one profile."""

    good: Seen
    no_path: Seen
    crash: Seen


def page(
    profiles: Mapping[str, Profile], rows: Mapping[str, Row], day: str, speed: float, minutes: float
) -> str:
    """Return the whole document."""
    return TEXT.format(
        day=day,
        speed=speed,
        minutes=minutes,
        settings=settings(profiles),
        results=_table(("profile", *RESULTS), ((name, *_cells(row)) for name, row in rows.items())),
        sources="".join(
            f"- **`{name}`** ({profile.title}): {_sources(profile)}.\n"
            for name, profile in profiles.items()
        ),
    )


def settings(profiles: Mapping[str, Profile]) -> str:
    """Return the table of the profiles' settings."""
    rows = (
        (name, each.title, *(_shown(getattr(each, field)) for field in COLUMNS))
        for name, each in profiles.items()
    )
    return _table(("profile", "what", *COLUMNS.values()), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *((f"`{name}`", *cells) for name, *cells in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _shown(told: Told[object]) -> str:
    if isinstance(told.value, bool):
        return "on" if told.value else "off"
    return str(getattr(told.value, "value", told.value))


def _cells(row: Row) -> tuple[str, ...]:
    return (
        _time(row.good.page),
        _time(row.good.steady),
        *(cell for seen in (row.no_path, row.crash) for cell in (failure(seen), verdict(seen))),
    )


def _time(seconds: float | None) -> str:
    return "never" if seconds is None else duration(seconds)


def failure(seen: Seen) -> str:
    """Return when ECS reported the deployment as failed, or how many tasks it had started by the end."""
    if seen.failed is not None:
        return duration(seen.failed)
    return f"never ({seen.tasks} tasks in {seen.watched / 60:.0f} min)"


def verdict(seen: Seen) -> str:
    """Return the tool's result and its time."""
    match seen.said:
        case None:
            return f"nothing yet after {seen.watched / 60:.0f} min"
        case Said(green=green, at=at):
            when = f"after {duration(at)}" if at >= AT_ONCE else "at once"
            return f"{'green' if green else 'red'} {when}"


def _sources(profile: Profile) -> str:
    """Return each source once, with the values from it."""
    by_source: dict[str, list[str]] = {}
    for field in fields(profile):
        told = getattr(profile, field.name)
        if isinstance(told, Told):
            by_source.setdefault(told.source, []).append(COLUMNS[field.name])
    return "; ".join(f"{', '.join(names)}: {source}" for source, names in by_source.items())


def compare(stack: Stack, chosen: Mapping[str, Profile], minutes: float) -> dict[str, Row]:
    """Return the result of each profile: the good services one by one, the failing ones at the same time."""
    good = {name: _one(stack, name, each, GOOD, minutes) for name, each in chosen.items()}
    pending = {}
    with ThreadPoolExecutor(2 * len(chosen)) as pool:
        for name, each in chosen.items():
            for scenario in (NO_PATH, CRASH):
                pending[name, scenario] = pool.submit(_one, stack, name, each, scenario, minutes)
                time.sleep(APART)
    bad = {key: future.result() for key, future in pending.items()}
    return {name: Row(good[name], bad[name, NO_PATH], bad[name, CRASH]) for name in chosen}


def _one(stack: Stack, name: str, profile: Profile, scenario: Scenario, minutes: float) -> Seen:
    seen = measure(stack, f"{name}-{scenario.name}", profile, scenario, minutes)
    told = f"steady {seen.steady}" if seen.steady else failure(seen)
    print(f"{name}, {scenario.name}: {told}; {verdict(seen)}", file=sys.stderr, flush=True)
    return seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speed", type=float, default=SPEED)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of AWS's time")
    asked = parser.parse_args()
    chosen = profiles()
    with cloud(asked.speed) as stack:
        rows = compare(stack, chosen, asked.minutes)
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    text = page(chosen, rows, day, asked.speed, asked.minutes)
    (ROOT / "docs" / "defaults.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
