"""Measures failed requests during a database restart, a password rotation and a rolling replacement.

python -m benchmarks.webapp.upheaval [--seconds S] [--rate R]

Two tasks stand behind a balancer. Counted are the failed requests on /health, of which there must
be none, and on /, which may fail only while the database is really away, and the lookups.
"""

import argparse
import asyncio
import json
import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.webapp.load import Load, balanced
from benchmarks.webapp.stage import Running, Stage, app_command, serving, stage, wait_for
from tests.webapp.dependencies import open_vault

RECOVERY = 5.0  # seconds after the database is available again in which / may still fail


@dataclass
class Targets:
    """The load balancer's targets, used in turn."""

    servers: list[Running]
    turn: int = 0

    def choose(self) -> int:
        """Return the port for the next request."""
        self.turn += 1
        return self.servers[self.turn % len(self.servers)].port


@dataclass
class Story:
    """The times of the events in seconds of the monotonic clock."""

    away_from: float = 0.0
    back_at: float = 0.0
    stopped: list[int] = field(default_factory=list)


async def happen(scene: Stage, targets: Targets, stack: ExitStack, seconds: float) -> Story:
    """Restart the database, rotate the password, and replace both tasks, one after the other."""
    story, database = Story(), scene.postgres
    await asyncio.sleep(seconds * 0.15)
    story.away_from = time.monotonic()
    await asyncio.to_thread(database.stop)
    await asyncio.sleep(2)
    await asyncio.to_thread(database.start)
    story.back_at = time.monotonic()
    await asyncio.sleep(seconds * 0.25)
    await asyncio.to_thread(rotate, scene)
    await asyncio.sleep(seconds * 0.15)
    for old in list(targets.servers):
        new = stack.enter_context(serving(app_command(), scene.variables, scene.folder))
        await asyncio.to_thread(wait_for, new, "/")
        # As when a balancer drains: no new requests from now on, those under way go on.
        targets.servers = [server for server in targets.servers if server is not old] + [new]
        old.process.terminate()
        story.stopped.append(await asyncio.to_thread(old.process.wait, 35))
    return story


def rotate(scene: Stage) -> None:
    """As RDS does; and the connections are cut, so that the new password is needed at once."""
    scene.postgres.set_password(secrets.token_hex(12))
    scene.rotate(scene.postgres.password)
    scene.postgres.hang_up()


async def play(scene: Stage, given: argparse.Namespace) -> dict[str, object]:
    """The whole minute, and what it shows."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(serving(app_command(), scene.variables, scene.folder))
            for _ in range(2)
        ]
        for server in servers:
            await asyncio.to_thread(wait_for, server, "/")
        targets = Targets(servers)
        pages, health, story = await asyncio.gather(
            balanced(targets.choose, "/", given.rate, given.seconds),
            balanced(targets.choose, "/health", given.rate / 2, given.seconds),
            happen(scene, targets, stack, given.seconds),
        )
        lookups = sum(one.output.read_text().count("took the database login") for one in servers)
    return report(pages, health, story, lookups)


def report(pages: Load, health: Load, story: Story, lookups: int) -> dict[str, object]:
    """The numbers."""
    unexcused = [
        what
        for at, what in pages.failures
        if not story.away_from <= at <= story.back_at + RECOVERY or what != "503"
    ]
    late = [at - story.back_at for at, _ in pages.failures if at > story.back_at]
    return {
        "health": {
            "answered": len(health.latencies),
            "failed": health.failed,
            "p99_ms": round(health.quantile(0.99) * 1000, 1),
            "max_ms": round(max(health.latencies) * 1000, 1),
        },
        "pages": {
            "answered": len(pages.latencies),
            "failed_while_away": pages.failed - len(unexcused),
            "failed_otherwise": len(unexcused),
            "kinds": dict(pages.kinds()),
            "p99_ms": round(pages.quantile(0.99) * 1000, 1),
        },
        "database_away_s": round(story.back_at - story.away_from, 1),
        "recovered_after_s": round(max(late, default=0.0), 2),
        "secret_lookups_of_two_tasks": lookups,
        "exit_codes_of_stopped_tasks": story.stopped,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=200)
    given = parser.parse_args()
    with open_vault() as vault, stage() as scene:
        arn = vault.store_login(scene.postgres.password)
        scene.variables.update(vault.variables, DB_SECRET_ARN=arn)
        scene.rotations.append(lambda password: vault.rotate(arn, password))
        print(json.dumps(asyncio.run(play(scene, given)), indent=1))


if __name__ == "__main__":
    main()
