"""What `pulumi up` found of a deployment, and the doctor of another process later says of it."""

import asyncio
from dataclasses import replace

import pytest

from careapp.additions.owner import inquiry_of
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.checks import TRIED
from ecs_gate.diagnosis.findings import as_line
from ecs_gate.doctor import judge
from ecs_gate.parts import ecs, verdicts
from ecs_gate.parts.gather import Inquiry, Snapshot
from ecs_gate.parts.records import read_part
from ecs_gate.rollout import gate
from ecs_gate.rollout.look import Reader
from ecs_gate.rollout.verdict import End, Outcome, Verdict
from ecs_gate.text import in_language, t, verbatim
from ecs_gate.text.masking import VALUES
from tests import stacks as a
from tests.conftest import NAMES, Told
from tests.doctor.situations import SITUATIONS
from tests.doctor.variants.stack import rolled_back_worker
from tests.doctor.variants.tasks import STOPPED, rolled_back
from tests.rollout.judge_rows import WELL, diagnosis
from tests.rollout.rollout_answers import EXPECTED, OLD, Account, deployment, service

ARN = "arn:aws:ecs:ap-northeast-1:1:service-deployment/careapp-poc-cluster/careapp-poc-service/"


def named(found):
    """The first cause of the web service, or of the stack."""
    return next((e for e in found.causes if not (e.facts.result or e.process)), None)


MAIL = replace(EXPECTED, names=NAMES.of_worker("mail"))
KNOWN = sorted(name for name in SITUATIONS if named(diagnosis(name)))


class Aws(Account):
    """ECS with service deployments, the newest last, and the streams of a log group."""

    def __init__(self, *deployments, problem=None):
        self.rows, self.streams, self.problem = [], {}, problem
        for each in deployments:
            self.deploy(*each)
        super().__init__(
            list_service_deployments={"serviceDeployments": self.rows},
            create_log_stream=self.create,
            put_log_events=lambda asked: self.streams[asked["logStreamName"]].extend(asked["logEvents"]),
            get_log_events=self.read,
        )  # fmt: skip

    def deploy(self, name, status):
        row = {"serviceDeploymentArn": ARN + name, "status": status, "createdAt": len(self.rows)}
        self.rows.append(row)

    def create(self, asked):
        if self.problem or asked["logStreamName"] in self.streams:
            raise self.problem or missing("ResourceAlreadyExistsException")
        self.streams[asked["logStreamName"]] = []

    def read(self, asked):
        if asked["logStreamName"] not in self.streams:
            raise missing("ResourceNotFoundException")
        events = [] if "nextToken" in asked else self.streams[asked["logStreamName"]]
        return {"events": events, "nextBackwardToken": "end"}


def missing(code):
    return AwsProblem("missing", verbatim("No stream."), verbatim("-"), code)


def up(aws, found, log=None, expected=EXPECTED, outcome=Outcome.WRONG):
    """What a failed `pulumi up` says."""
    end = End(Verdict(outcome=outcome, text=verbatim("so"), diagnosis=found), WELL)
    return asyncio.run(gate._red(end, Reader(expected, Inquiry(None, aws), None), log or Told()))[1]


def doctor(aws, after=lambda **kept: rolled_back(STOPPED, **kept)):
    """What the doctor finds after the rollback: the page works, and ECS runs the version before."""
    return judge(after(verdict=read_part(verdicts.newest, aws, NAMES).value))


@pytest.mark.parametrize("name", KNOWN)
def test_cause_that_up_named_is_the_doctor_s_an_hour_later(name):
    aws, found = Aws(("a", "SUCCESSFUL"), ("b", "ROLLBACK_SUCCESSFUL")), diagnosis(name)
    cause = named(found)
    assert str(cause.title) in up(aws, found)
    [later, *_] = doctor(aws).causes
    assert (later.why, later.fixes, later.facts.result) == (cause.why, cause.fixes, False)
    for language in ("en", "ja"):
        with in_language(language):
            assert str(later.title).endswith(str(cause.title))
    assert set(cause.masked_evidence) <= set(later.evidence)


def after_another_up(aws, now, status="ROLLBACK_SUCCESSFUL", by_up=True):
    """What is found after one more deployment, of which nothing is kept yet, or by the doctor, of a healthy one."""
    aws.deploy("later", status)
    return judge(now.having(Snapshot.tried, read_part(verdicts.before, aws, NAMES, by_up)))


@pytest.mark.parametrize("name", KNOWN)
def test_cure_that_was_proposed_before_is_said_again_with_more(name):
    """One that another cause proposed says no more."""
    for now in (SITUATIONS[name], a.of_another_app(SITUATIONS[name])):
        if not named(found := judge(now)):
            continue
        up(aws := Aws(("a", "SUCCESSFUL"), ("b", "ROLLBACK_SUCCESSFUL")), found)
        cause, again = named(found), named(after_another_up(aws, now))
        assert (again.title, again.fixes[:-1]) == (cause.title, cause.fixes)
        assert again.seen == (TRIED, *cause.seen)
        assert again.fixes[-1].commands[0] == "pulumi preview --refresh --diff -s poc"
        up(aws, replace(found, findings=(again,)))
        assert len(named(after_another_up(aws, now)).fixes) == len(again.fixes)
        other = next(each for each in KNOWN if named(diagnosis(each)).title != cause.title)
        assert TRIED not in named(after_another_up(aws, SITUATIONS[other])).seen


def test_cure_counts_as_tried_until_a_deployment_ends_well():
    web, found = SITUATIONS["page-errors"], diagnosis("page-errors")
    for status, by_up, tried in (
        ("ROLLBACK_SUCCESSFUL", False, True),
        ("SUCCESSFUL", True, True),  # The present one: its page fails.
        ("SUCCESSFUL", False, False),
    ):
        up(aws := Aws(("a", "STOPPED")), found)
        assert (TRIED in named(after_another_up(aws, web, status, by_up)).seen) is tried


def test_up_that_deploys_nothing_new_counts_what_the_one_before_has_kept(stack, monkeypatch):
    asked = []
    monkeypatch.setattr(verdicts, "before", lambda *question: asked.append(question[2]))
    gate._diagnose(Reader(EXPECTED, inquiry_of(a.choices(), stack.session)))
    assert asked == [True]


def test_newest_verdict_is_the_present_one_and_an_old_one_is_none():
    up(aws := Aws(("a", "STOPPED")), diagnosis("page-errors"))
    assert verdicts.before(aws, NAMES, by_up=False) is None
    up(aws, diagnosis("page-errors"))
    assert verdicts.before(aws, NAMES, by_up=False)
    aws.streams["gate/a"] = [{**e, "timestamp": 0} for e in aws.streams["gate/a"]]
    assert verdicts.before(aws, NAMES, by_up=True) is None


def test_verdict_that_ecs_has_forgotten_is_said_again_and_not_kept_again():
    up(aws := Aws(("a", "ROLLBACK_SUCCESSFUL")), diagnosis("page-errors"))
    first = verdicts.newest(aws, NAMES)
    again = named(judge(a.but(SITUATIONS["page-errors"], tried=first)))
    for verdict in (first, as_line(again)):
        up(aws, found := judge(rolled_back(STOPPED, verdict=verdict, tried=first)))
        assert found.causes[0].seen.count(TRIED) == len(aws.streams["gate/a"]) == 1


def test_verdict_on_a_worker_is_its_own_and_names_it_once():
    crash, web = judge(a.crashing_worker("ValueError: no broker")), diagnosis("page-errors")
    both = replace(web, findings=(*crash.causes, *web.causes))
    up(aws := Aws(("a", "STOPPED")), both)
    assert "answers with error" in str(doctor(aws).causes[0].title)
    both = replace(both, findings=(*web.causes, *crash.causes))
    up(aws := Aws(("a", "STOPPED")), both, expected=MAIL)
    [later] = doctor(aws, rolled_back_worker).causes
    assert str(later.title).count("Worker mail: ") == 1
    assert str(later.title).endswith(str(crash.causes[0].title).partition(": ")[2])


def test_verdict_of_an_earlier_deployment_is_void():
    before = Aws(("a", "ROLLBACK_SUCCESSFUL"))
    up(before, diagnosis("page-errors"))
    for later in ("ROLLBACK_SUCCESSFUL", "SUCCESSFUL", "IN_PROGRESS"):
        aws = Aws(("a", "ROLLBACK_SUCCESSFUL"), ("b", later))
        aws.streams = before.streams
        assert "answers with error" not in str(doctor(aws).findings[0].title)
    before.rows[0]["status"] = "SUCCESSFUL"
    assert verdicts.newest(before, NAMES) is None


def test_newest_of_two_verdicts_counts_and_a_strange_line_is_none():
    aws = Aws(("a", "STOPPED"))
    for name in ("page-silent", "page-errors"):
        up(aws, diagnosis(name))
    aws.streams["gate/a"] = aws.streams["gate/a"][1:]
    assert "answers with error 500" in str(doctor(aws).causes[0].title)
    for words in ("", "[]", "an app's line", '{"title": 1}'):
        aws.streams["gate/a"] = [{"timestamp": 0, "message": words}]
        assert doctor(aws).causes[0].facts.result


@pytest.mark.parametrize(
    ("page", "green", "said"),
    [
        (500, ("a", "b"), True),
        (200, ("a", "b"), False),
        (500, (), False),
        # The one that runs has worked: what ails it now is not the version.
        (500, ("a", "b", "dead"), False),
    ],
)
def test_version_before_that_fails_as_well_is_said_with_the_last_one_that_worked(
    monkeypatch, page, green, said
):
    """Its `pulumi up` was interrupted, and ECS has completed it."""
    running = ecs.service_of(service(deployment(OLD, "COMPLETED")))
    aws = Aws(*((name, verdicts.DONE) for name in ("a", "b", "dead")), ("c", "ROLLBACK_SUCCESSFUL"))
    for row in aws.rows:
        name = row["serviceDeploymentArn"].removeprefix(ARN)
        row["targetServiceRevisionArn"] = OLD if name == "dead" else f"{OLD}-{name}"
        aws.streams |= {f"gate/{name}": [{"message": verdicts.WORKED}]} if name in green else {}
    monkeypatch.setattr(verdicts.ecs, "service", lambda *_: running)
    monkeypatch.setattr(
        verdicts.ecs, "deployed_definition", lambda _, r: r["targetServiceRevisionArn"]
    )
    monkeypatch.setattr(gate.pages, "page_before", lambda _: a.page(page))
    text = up(aws, diagnosis("page-errors"), outcome=Outcome.ROLLED_BACK)
    assert ("--task-definition careapp-poc:6-b --force-new-deployment" in text) is said
    assert ("ECS went back to careapp-poc:6, which fails as well" in text) is said


def test_green_up_keeps_that_the_deployment_worked():
    verdicts.keep(aws := Aws(("a", verdicts.DONE)), NAMES, verdicts.WORKED)
    aws.rows[0]["targetServiceRevisionArn"] = OLD
    aws.calls.answers["describe_service_revisions"] = {
        "serviceRevisions": [{"taskDefinition": OLD}]
    }
    assert verdicts.worked(aws, NAMES) == OLD
    up(aws, diagnosis("page-errors"))
    assert verdicts.worked(aws, NAMES) is None, "and later it did not"


def test_verdict_has_no_secret():
    VALUES.add({"hunter2-and-more"})
    aws, found = Aws(("a", "STOPPED")), diagnosis("page-errors")
    value = "hunter2-and-more"
    leaks = replace(found.causes[0], title=verbatim(value), evidence=(value,))
    up(aws, replace(found, findings=(leaks,)))
    assert "hunter2" not in str(aws.streams["gate/a"])


def test_verdict_that_cannot_be_kept_is_told_and_up_says_all_else():
    denied = AwsProblem("denied", t("You may not."), t("Ask."), "AccessDenied")
    log, aws = Told(), Aws(("a", "STOPPED"), problem=denied)
    assert "answers with error 500" in up(aws, diagnosis("page-errors"), log)
    assert log.lastings == ["once ECS forgets it, the doctor may not know this cause: You may not."]


def test_cloudwatch_keeps_the_verdict_and_logs_leave_it_out(run, stack, monkeypatch):
    rows = [{"serviceDeploymentArn": f"{ARN}a", "status": "STOPPED"}]
    monkeypatch.setattr(verdicts.ecs, "service_deployments", lambda *_: rows)
    assert read_part(verdicts.newest, stack.session, NAMES).absent
    for words in ("the first verdict", "the second verdict"):
        verdicts.keep(stack.session, NAMES, words)
    assert verdicts.newest(stack.session, NAMES) == "the second verdict"
    code, shown, _ = run("logs")
    assert (code, "verdict" in shown) == (0, False)
