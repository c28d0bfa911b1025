"""What the doctor says of workers: the same causes as of the web tasks, with the worker's name and its settings."""

from __future__ import annotations

from dataclasses import replace

from tools.diagnosis.case import Case
from tools.diagnosis.request_path import request_path
from tools.doctor.diagnose import judge
from tools.doctor.screen import plain
from tools.snapshot.rds import Pause
from tools.tests import stacks as a

FULL = "OutOfMemoryError: Container killed due to memory usage"


def found(snapshot):
    """Process, id and title of each finding but notes."""
    kept = [each for each in judge(snapshot).findings if each.kind != "note"]
    return [(each.process, each.id, str(each.title)) for each in kept]


def commands(snapshot):
    return [command for fix in judge(snapshot).findings[0].fixes for command in fix.commands]


def test_a_healthy_stack_names_its_workers_among_what_was_checked():
    diagnosis = judge(a.with_worker())
    assert (diagnosis.findings, diagnosis.exit_code) == ((), 0)
    assert ", the worker mail.\n" in plain(diagnosis)


def test_a_worker_that_crashes_is_told_with_its_exit_code_its_last_lines_and_its_own_log():
    crashing = a.crashing_worker("connecting", "ValueError: no broker")
    assert found(crashing) == [("mail", "crash", "Worker mail: The app ends right after its start")]
    first = judge(crashing).findings[0]
    assert [str(each) for each in first.seen] == [
        f"Task {'e' * 8}: container app ended with exit code 1 (an uncaught error).",
        "2 tasks of this deployment ended like this.",
    ]
    assert first.evidence == ("connecting", "ValueError: no broker")
    assert commands(crashing) == [
        "./careapp logs --previous --worker mail -s poc",
        "pulumi up -s poc",
    ]


def test_a_known_line_of_a_worker_s_log_names_the_cause():
    [(process, name, title)] = found(
        a.crashing_worker("ModuleNotFoundError: No module named 'celery'")
    )
    assert (process, name) == ("mail", "crash-module-missing")
    assert title == "Worker mail: A Python module is missing in the image: celery"


def test_a_worker_out_of_memory_gets_more_of_its_own_and_the_web_tasks_keep_theirs():
    full = a.crashing_worker(container=FULL, code=137)
    assert found(full) == [("mail", "out-of-memory", "Worker mail: The task runs out of memory")]
    assert str(judge(full).findings[0].seen[0]) == "workers.mail.memory is 512 MiB."
    assert commands(full) == [
        "pulumi config set --path workers.mail.memory 1024 -s poc",
        "pulumi up -s poc",
    ]


def test_a_worker_s_crash_breaks_nothing_on_the_request_s_path():
    crashing = a.crashing_worker()
    states = {each.state for each in request_path(Case(crashing), judge(crashing)).values()}
    assert states == {"open"}


def test_the_web_task_and_a_worker_may_crash_of_one_cause_and_both_are_named():
    crashed = a.ended("Essential container in task exited", code=1, stop="EssentialContainerExited")
    web = a.failing(crashed, logs=a.logs(b=["ValueError: what nobody knows"]))
    both = replace(web, workers=a.crashing_worker().workers)
    assert [(process, id_) for process, id_, _ in found(both) if id_ == "crash"] == [
        ("", "crash"),
        ("mail", "crash"),
    ]


def test_a_cause_of_the_whole_stack_is_named_once_and_not_again_for_the_worker():
    never = a.ended(
        "CannotPullContainerError: not found", "e" * 32, stop="TaskFailedToStart",
        definition=a.MAIL,
    )  # fmt: skip
    waiting = a.worker_service(
        running=0, deployments=(a.deployment(definition=a.MAIL, rollout="FAILED", running=0),)
    )
    gone = a.stack(image=replace(a.HEALTHY["image"], present=False))
    seen = found(a.with_worker(gone, service=waiting, tasks=(never,)))
    assert [(process, id_) for process, id_, _ in seen] == [
        ("", "image-missing"),
        ("mail", "roll-out-failed"),
    ]


def rolled_back():
    older = a.MAIL.replace(":3", ":2")
    back = a.worker_service(
        definition=older, deployments=(a.deployment(definition=older, id="ecs-svc/9"),)
    )
    task = a.task("d" * 32, definition=older, started_by="ecs-svc/9")
    return a.with_worker(service=back, tasks=(task,))


def test_a_worker_that_ecs_has_rolled_back_is_named_with_both_revisions():
    title = "Worker mail: ECS runs careapp-poc-worker-mail:2 instead of careapp-poc-worker-mail:3"
    assert found(rolled_back()) == [("mail", "rolled-back", title)]
    assert commands(rolled_back()) == ["./careapp retry --worker mail -s poc"]


def test_a_cause_of_one_worker_explains_nothing_of_another_one():
    crashing, [back] = a.crashing_worker(), rolled_back().workers.values()
    other = replace(back, names=back.names.of_worker("sms"))
    both = replace(crashing, workers={**crashing.workers, "sms": other})
    kinds = [(each.process, each.id, each.kind) for each in judge(both).findings]
    assert kinds == [("mail", "crash", "cause"), ("sms", "rolled-back", "cause")]


def test_a_count_that_differs_is_a_warning_and_a_count_of_zero_a_cause_but_in_a_pause():
    three = a.worker_service(desired=3, running=3)
    tasks = tuple(a.task(letter * 32, definition=a.MAIL) for letter in "def")
    more = a.with_worker(service=three, tasks=tasks)
    assert found(more) == [
        ("mail", "worker-count", "Worker mail: the desired count is 3, the stack file says 1")
    ]
    assert [each.kind for each in judge(more).findings] == ["warning"]
    update = "aws ecs update-service --region ap-northeast-1 --cluster careapp-poc-cluster"
    assert commands(more) == [
        f"{update} --service careapp-poc-worker-mail --desired-count 1",
        "pulumi config set --path workers.mail.count 3 -s poc",
        "pulumi up -s poc",
    ]
    none = {"service": a.worker_service(desired=0, running=0), "tasks": ()}
    assert [each.kind for each in judge(a.with_worker(**none)).findings] == ["cause"]
    paused = a.stack(
        a.choices(workers='{"mail": {"command": "sleep infinity"}}'),
        service=a.service(desired=0, running=0), tasks=(), targets=(),
        database=a.database(status="stopped", pause=Pause(a.at(-600))),
    )  # fmt: skip
    assert found(a.with_worker(paused, **none)) == []


def test_a_worker_that_has_just_started_is_not_called_healthy_yet_nor_wrong():
    young = a.with_worker(tasks=(a.task("d" * 32, definition=a.MAIL, started=a.at(-10)),))
    diagnosis = judge(young)
    assert (diagnosis.causes, diagnosis.unfinished, diagnosis.exit_code) == ((), True, 2)


def test_a_worker_that_cannot_be_read_is_no_healthy_one():
    unread = a.with_worker(service=a.DENIED, tasks=a.DENIED)
    diagnosis = judge(unread)
    assert {str(each.part) for each in diagnosis.unread} == {"the worker mail"}
    assert diagnosis.exit_code == 2


def test_before_the_service_is_there_nothing_is_said_of_workers():
    first = replace(a.stage1(a.choices()), workers=a.with_worker(service=None).workers)
    assert [process for process, _, _ in found(first)] == [""]
