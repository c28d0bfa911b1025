"""What `pulumi up` found of a deployment, and the doctor of another process later says of it."""

import asyncio
from dataclasses import replace

import pytest

from tools.aws.errors import AwsProblem
from tools.doctor.diagnose import judge
from tools.i18n import in_language, t, verbatim
from tools.i18n.masking import VALUES
from tools.rollout import gate
from tools.rollout.look import Reader
from tools.rollout.verdict import End, Outcome, Verdict
from tools.snapshot import Inquiry, read_part, verdicts
from tools.tests import stacks as a
from tools.tests.conftest import NAMES, Told
from tools.tests.doctor.situations import SITUATIONS
from tools.tests.doctor.variants.stack import rolled_back_worker
from tools.tests.doctor.variants.tasks import STOPPED, rolled_back
from tools.tests.rollout.judge_rows import WELL, diagnosis
from tools.tests.rollout.rollout_answers import EXPECTED, Account

ARN = "arn:aws:ecs:ap-northeast-1:1:service-deployment/careapp-poc-cluster/careapp-poc-service/"


def named(found):
    """The first cause of the web service, or of the stack."""
    return next((e for e in found.causes if not (e.facts.result or e.process)), None)


KNOWN = sorted(name for name in SITUATIONS if named(diagnosis(name)))


class Aws(Account):
    """ECS with service deployments, the newest last, and the streams of a log group."""

    def __init__(self, *deployments, problem=None):
        rows = [
            {"serviceDeploymentArn": ARN + name, "status": status, "createdAt": number}
            for number, (name, status) in enumerate(deployments)
        ]
        self.streams, self.problem = {}, problem
        super().__init__(
            list_service_deployments={"serviceDeployments": rows},
            create_log_stream=self.create,
            put_log_events=lambda asked: self.streams[asked["logStreamName"]].extend(asked["logEvents"]),
            get_log_events=self.read,
        )  # fmt: skip

    def create(self, asked):
        if self.problem or asked["logStreamName"] in self.streams:
            raise self.problem or missing("ResourceAlreadyExistsException")
        self.streams[asked["logStreamName"]] = []

    def read(self, asked):
        if asked["logStreamName"] not in self.streams:
            raise missing("ResourceNotFoundException")
        return {"events": self.streams[asked["logStreamName"]], "nextBackwardToken": "end"}


def missing(code):
    return AwsProblem("missing", verbatim("No stream."), verbatim("-"), code)


def up(aws, found, log=None, expected=EXPECTED):
    """What a failed `pulumi up` says."""
    end = End(Verdict(outcome=Outcome.WRONG, text=verbatim("so"), diagnosis=found), WELL)
    return asyncio.run(gate._why(end, Reader(expected, Inquiry(None, aws), None), log or Told()))


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


def test_verdict_on_a_worker_is_its_own_and_names_it_once():
    crash, web = judge(a.crashing_worker("ValueError: no broker")), diagnosis("page-errors")
    both = replace(web, findings=(*crash.causes, *web.causes))
    up(aws := Aws(("a", "STOPPED")), both)
    assert "answers with error" in str(doctor(aws).causes[0].title)
    mail = replace(EXPECTED, names=NAMES.of_worker("mail"))
    up(
        aws := Aws(("a", "STOPPED")),
        replace(both, findings=(*web.causes, *crash.causes)),
        expected=mail,
    )
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
    before.answers["list_service_deployments"]["serviceDeployments"][0]["status"] = "SUCCESSFUL"
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


def test_verdict_has_no_secret():
    VALUES.add({"hunter2-and-more"})
    aws, found = Aws(("a", "STOPPED")), diagnosis("page-errors")
    leaks = replace(
        found.causes[0], title=verbatim("hunter2-and-more"), evidence=("hunter2-and-more",)
    )
    up(aws, replace(found, findings=(leaks,)))
    assert "hunter2" not in str(aws.streams["gate/a"])


def test_verdict_that_cannot_be_kept_is_told_and_up_says_all_else():
    denied = AwsProblem("denied", t("You may not."), t("Ask."), "AccessDenied")
    log, aws = Told(), Aws(("a", "STOPPED"), problem=denied)
    assert "answers with error 500" in up(aws, diagnosis("page-errors"), log)
    assert log.lastings == ["./careapp doctor will not know this cause: You may not."]


def test_cloudwatch_keeps_the_verdict_and_logs_leave_it_out(run, stack, monkeypatch):
    rows = [{"serviceDeploymentArn": f"{ARN}a", "status": "STOPPED"}]
    monkeypatch.setattr(verdicts.ecs, "service_deployments", lambda *_: rows)
    assert read_part(verdicts.newest, stack.session, NAMES).absent
    for words in ("the first verdict", "the second verdict"):
        verdicts.keep(stack.session, NAMES, words)
    assert verdicts.newest(stack.session, NAMES) == "the second verdict"
    code, shown, _ = run("logs")
    assert (code, "verdict" in shown) == (0, False)
