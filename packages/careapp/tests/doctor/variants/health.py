"""Health checks that fail: by path, matcher, host, time, address and port, and those that were put right."""

from dataclasses import replace

from tests import stacks as a
from tests.doctor.logged import SAID
from tests.doctor.situations import FAILED_WITH, ILL, SITUATIONS, env, named, rules, trace

NO_ANSWER = "Health checks failed"
NO_CACHE = (
    "redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused."
)
HELTH = {"settings": a.choices(healthPath="/helth"), "group": a.target_group(path="/helth")}


def answers(code, **changes):
    return a.unhealthy(f"{FAILED_WITH}: [{code}]", **changes)


CALLED = a.target_group(path="/grpc.health.v1.Health/Check", matcher="0", grpc=True)


def by_grpc(status):
    return a.of_another_app(answers(status, group=CALLED))


def silent(lines=(a.LISTENS,), **changes):
    return a.unhealthy(NO_ANSWER, lines=lines, **changes)


def given_up(*lines):
    """A stack that ECS has given up after a 404, and in which /health is asked for by now."""
    running = a.going("FAILED", events=(a.failed_check(f"{FAILED_WITH}: [404]"),))
    return a.failing(a.ended(ILL, code=0), service=running, logs=a.logs(b=list(lines)))


NO_LINES = a.logs()


def waited(grace):
    """A task that did not listen in 330 s."""
    return quiet(grace, started=a.at(-400), stopping=a.at(-70), stopped=a.at(-60))


def quiet(grace=60, logs=NO_LINES, main=None, **task):
    """A task that ends without a word of where it listens."""
    service = a.going(grace=grace, events=(a.failed_check(),))
    parts = {"main": main} if main else {}
    return a.failing(a.ended(ILL, code=143, **task), service=service, logs=logs, **parts)


FORGOTTEN = a.but(given_up(), tasks=())
EARLIER = replace(FORGOTTEN.service.value.events[0], at=a.at(-700))
ROLLED_BACK = a.failing(a.ended(ILL, code=143), rolled_back=True)
UNCHECKED = {
    arn: replace(definition, health=None)
    for arn, definition in SITUATIONS["health-slow"].definitions.value.items()
}
MATCHER = a.failing(
    a.ended(ILL, code=0),
    service=a.going("FAILED", events=(a.failed_check(f"{FAILED_WITH}: [200]"),)),
)
ENDS = [
    line.format(pid)
    for pid in range(7, 12)
    for line in ("Booting worker with pid: {}", "Worker exiting (pid: {})")
]
EXITS = [
    end.replace("Worker exiting (pid: ", "Worker (pid:").replace(")", ") exited with code 1.")
    for end in ENDS
]
KILLS = [text.replace("exited with code 1.", "was sent SIGKILL!") for text in EXITS]
HUNG = [
    line
    for pid in range(7, 12)
    for line in (f"WORKER TIMEOUT (pid:{pid})", *ENDS[2 * (pid - 7) :][:2][::-1])
]
"""Workers of gunicorn that end by themselves, and that its main process ends."""
VARIANTS = {
    "health-slow: without a check of the container": a.but(
        SITUATIONS["health-slow"], definitions=UNCHECKED),
    "task-cannot-reach-database, health-check-drifted, health-errors: a rule keeps it away": answers(
        503, network=rules(db_in=()), group=a.target_group(path="/health/db")),
    "health-path-missing: a setting": answers(404, **HELTH),
    "health-path-missing: a setting, given up": a.failing(
        a.ended(ILL, code=0), service=a.going("FAILED", events=(a.failed_check(f"{FAILED_WITH}: [404]"),)),
        **HELTH),
    "roll-out-failed: another path is checked by now": given_up(
        '127.0.0.1 - - [x] "GET /helth HTTP/1.1" 404 21 "-" "ELB-HealthChecker/2.0"'),
    "roll-out-failed: the matcher takes the answer by now": MATCHER,
    "health-path-missing: given up": given_up("nothing"),
    "health-path-missing: tasks that ECS has forgotten": FORGOTTEN,
    "roll-out-failed: events of an earlier roll-out": a.but(
        FORGOTTEN, service=replace(FORGOTTEN.service.value, events=(EARLIER,))),
    "not-listening: rolled back": a.but(
        ROLLED_BACK, service=replace(ROLLED_BACK.service.value, events=(a.failed_check(),))),
    "not-listening: it answers inside the task": silent(["Booting"]),
    "not-listening: another app": a.of_another_app(quiet()),
    "not-listening: another app, whose earlier version said where it listens": a.of_another_app(
        quiet(logs=a.logs(b=["connecting to the cache"], c=["Listening at: http://0.0.0.0:3000 (7)"]))),
    "not-listening: another app, with a variable": a.of_another_app(quiet(main=env(BIND="127.0.0.1"))),
    "not-listening: an appCommand": quiet(
        main=a.definition(command=("gunicorn", "--log-level", "error", "app:app"))),
    "process-ends: of gunicorn's workers": a.unhealthy(
        "Request timed out", "Target.Timeout", lines=[a.LISTENS, *ENDS]),
    "process-ends: of gunicorn's workers, by an error": a.stack(logs=a.logs(a=[a.LISTENS, *EXITS])),
    "nothing: workers that gunicorn replaces after their requests": a.stack(
        logs=a.logs(a=[a.LISTENS, *EXITS, "Autorestarting worker after current request."])),
    "out-of-memory: workers that are killed and replaced": a.unhealthy(
        "Request timed out", "Target.Timeout", lines=[a.LISTENS, *KILLS]),
    "log-worker-timeout: workers that gunicorn ends": a.unhealthy(
        "Request timed out", "Target.Timeout", lines=[a.LISTENS, *HUNG]),
    "not-listening: errors before the last lines": silent(
        ["ERROR: the cache is cold", *("]", "(see https://example.com/errors)") * 4],
        tasks=(a.task(health="UNKNOWN"),)),
    "not-listening: the load balancer and the container's check": a.failing(
        a.ended("Task failed container health checks", code=143), service=a.going(events=(a.failed_check(),))),
    "port-mismatch: by the app's log": silent(["Listening at: http://0.0.0.0:8080 (7)"]),
    "port-mismatch: a socket against the app's words": silent(
        [
            '{"message": "listening", "host": "0.0.0.0", "port": 3000}',
            "Listening at: http://0.0.0.0:8080 (7)"]),
    **named("wrong-address", SAID["elsewhere"], silent),
    **named("too-few-tasks", SAID["here"], silent),
    **named("health-host", SAID["hosts"], lambda log: answers(log[0], lines=[a.LISTENS, log[1]])),
    "health-matcher: a limiter": answers(429),
    "health-matcher: gRPC, a server without the method": by_grpc(12),
    "health-errors: gRPC": by_grpc(14),
    "health-slow: gRPC": a.of_another_app(
        a.unhealthy("Request timed out", "Target.Timeout", group=CALLED)),
    "app-raises: on the health check's path": answers(500, lines=[a.LISTENS, *trace(NO_CACHE)]),
    "app-raises: again and again, before it listens": silent(
        [*trace(NO_CACHE)] * 3, tasks=(a.task(health="UNKNOWN"),)),
    "not-listening: a grace period that is longer by now": a.failing(
        a.ended(ILL, code=143), service=a.going("FAILED", grace=600, events=(a.failed_check(),))),
    "not-listening: after a long grace period": waited(300),
    "not-listening: another app, after a long grace period": a.of_another_app(waited(300)),
    "not-listening: not as long as the grace period": waited(600),
    "health-check-drifted: off": a.stack(group=a.target_group(enabled=False)),
    "health-host: DJANGO_ALLOWED_HOSTS": answers(400, main=env(DJANGO_ALLOWED_HOSTS="www.example.com")),
    "health-host: SERVER_NAME": answers(404, main=env(SERVER_NAME="www.example.com")),
    "health-path-missing: ALLOWED_HOSTS": answers(404, main=env(ALLOWED_HOSTS="www.example.com")),
    "health-forbidden: ALLOWED_HOSTS": answers(403, main=env(ALLOWED_HOSTS="www.example.com")),
    "balancer-cannot-reach-task: a time-out": a.unhealthy(
        "Request timed out", "Target.Timeout", network=rules(alb_out=())),
    "too-few-tasks: a task that has just started": a.stack(tasks=(a.task(started=a.at(-20)),), targets=()),
}  # fmt: skip
