"""Previews and drift checks write nothing to Pulumi's state: by the real engine, with the state in a bucket."""

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

from careapp import ROOT
from tests.support.delivery import Delivery, deploy_to
from tests.support.iam_policies import Call, allowed
from tests.support.local_stack import local_stack

POC = Delivery.of("poc")
BUCKET = f"arn:aws:s3:::{POC.bucket}"
PREVIEW = POC.documents("careapp-delivery-preview")
DRIFTED = 7
"""How pulumi ends when `--expect-no-changes` does not hold."""
OBJECTS = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}


def call_of(request):
    """What IAM is asked when Pulumi itself or the step, and not a provider, calls S3 or KMS; else None."""
    if is_the_steps(request):
        return Call("s3:ListBucket", BUCKET)
    if not request.get("HTTP_USER_AGENT", "").startswith("aws-sdk-go"):
        return None
    if target := request.get("HTTP_X_AMZ_TARGET", ""):
        return Call(f"kms:{target.removeprefix('TrentService.')}", POC.key_arn)
    _, bucket, key = f"{request['PATH_INFO']}/".split("/", 2)
    assert bucket == POC.bucket, request["PATH_INFO"]
    if key.strip("/"):
        return Call(f"s3:{OBJECTS[request['REQUEST_METHOD']]}", f"{BUCKET}/{key.rstrip('/')}")
    assert request["REQUEST_METHOD"] == "GET"
    assert "list-type" in parse_qs(request["QUERY_STRING"])
    return Call("s3:ListBucket", BUCKET)


def is_the_steps(request):
    """Whether careapp.delivery asks if there is a state; it asks nothing else."""
    lists = "list-type" in parse_qs(request["QUERY_STRING"])
    of_state = request["PATH_INFO"].strip("/") == POC.bucket
    return request.get("HTTP_USER_AGENT", "").startswith("Botocore") and lists and of_state


@dataclass
class Job:
    """The steps of a workflow on a stack whose state is in the bucket that the set-up made."""

    stack: object
    calls: list[Call] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    """What the last look's two steps printed, as there is no summary of GitHub's."""

    def run(self, *words, code=0):
        """Run a step as GitHub does: by the stack file as it is committed."""
        self.calls.clear()
        environment = {**self.stack.pulumi.environment, **self.variables}
        environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE")
        done = subprocess.run(
            words, cwd=self.stack.pulumi.folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def careapp(self, *words, **more):
        return self.run(sys.executable, "-m", "careapp.cli", "delivery", *words, **more)

    def set_up(self):
        deploy_to(self.stack.calls, POC)
        endpoint = self.stack.pulumi.environment["AWS_ENDPOINT_URL"]
        url = POC.variables["CAREAPP_POC_STATE"]
        self.variables = {
            "PULUMI_BACKEND_URL": f"{url}&endpoint={endpoint}&s3ForcePathStyle=true",
            "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        }

    def deploy(self):
        key = POC.variables["CAREAPP_POC_KEY"]
        self.run("pulumi", "stack", "select", "poc", "--create", "--secrets-provider", key)
        self.run("pulumi", "up", "--stack", "poc", "--yes", "--skip-preview", "--non-interactive")

    def look(self, drift=0):
        """What preview.yml and drift.yml run, and every call of Pulumi's own to S3 and KMS."""
        self.said["preview"] = self.careapp("preview", "--stack", "poc")
        calls = list(self.calls)
        self.said["drift"] = self.careapp("drift", "--stack", "poc", code=drift)
        return [*calls, *self.calls]

    def held(self):
        """Every version of every object of the state: a lock that came and went leaves two."""
        found = self.stack.calls("s3", "list_object_versions", {"Bucket": POC.bucket})
        return sorted(
            (version["Key"], version["VersionId"])
            for kind in ("Versions", "DeleteMarkers")
            for version in found.get(kind, [])
        )


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    calls = []
    original = DomainDispatcherApplication.__call__

    def recorded(application, environ, start_response):
        if (call := call_of(environ)) is not None:
            calls.append(call)
        return original(application, environ, start_response)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DomainDispatcherApplication, "__call__", recorded)
        with local_stack(tmp_path_factory.mktemp("looks")) as stack:
            shutil.copy(ROOT / "Pulumi.poc.yaml", stack.pulumi.folder)
            job = Job(stack, calls)
            job.set_up()
            yield job


@pytest.fixture(scope="module")
def seen(job):
    """What the bucket held, and what was called, around each look and one deploy."""
    before = job.held()
    looks = job.look()
    seen = {"of nothing": (before, job.held(), looks)}
    job.deploy()
    before = job.held()
    seen["deploy"] = (seen["of nothing"][1], before, list(job.calls))
    looks = job.look()
    seen["of no change"] = (before, job.held(), looks)
    seen["said of no change"] = dict(job.said)
    job.stack.pulumi.run("config", "set", "natStrategy", "none", "--stack", "poc")
    looks = job.look(drift=DRIFTED)
    seen["of a change"] = (before, job.held(), looks)
    return seen


LOOKS = ["of nothing", "of no change", "of a change"]


@pytest.mark.parametrize("look", LOOKS)
def test_a_preview_and_a_drift_check_leave_the_state_as_it_was(seen, look):
    """What Pulumi asks of S3 and KMS is what the role for previews may."""
    before, after, calls = seen[look]
    assert after == before
    asked = {"s3:ListBucket"} if look == "of nothing" else {"s3:ListBucket", "s3:GetObject"}
    assert {call.action for call in calls} >= asked
    assert [call for call in calls if not allowed(PREVIEW, call)] == []


def test_a_deploy_does_not_and_asks_for_more_which_its_own_role_may(seen):
    before, after, calls = seen["deploy"]
    assert len(after) > len(before)
    assert [call for call in calls if not allowed(PREVIEW, call)] != []
    assert [call for call in calls if not allowed(POC.deploy, call)] == []


def test_no_change_and_no_drift_are_said(seen):
    said = seen["said of no change"]
    assert "### Preview of poc: no changes" in said["preview"]
    assert "### poc: no drift" in said["drift"]
