"""The workflows' steps beside Pulumi: what they write for people, and how they refuse."""

from __future__ import annotations

import http.server
import json
import threading

import pytest

from ops.delivery import words
from ops.delivery.github import BOT, PAGE, PullRequest
from ops.findings import Diagnosis, Finding
from ops.refused import Refused
from ops.texts import t

MARK = words.mark("poc")


class Api:
    """GitHub's comments of a pull request, on loopback."""

    def __init__(self, comments=(), status=200):
        self.comments, self.status, self.asked = list(comments), status, []

    def answer(self, method, path, body):
        self.asked.append((method, path.rpartition("/issues/")[2]))
        if method == "GET":
            page = int(path.rpartition("page=")[2])
            return self.comments[(page - 1) * PAGE : page * PAGE]
        return {"html_url": f"https://github.com/{method}", "body": body}


@pytest.fixture
def serve():
    servers = []

    def serve(api):
        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self):
                size = int(self.headers["Content-Length"] or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                content = json.dumps(api.answer(self.command, self.path, body)).encode()
                self.send_response(api.status)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = handle_any

            def log_message(self, *_):
                """Nothing on the screen."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever).start()
        servers.append(server)
        return PullRequest(
            repository="octo-org/careapp",
            number=7,
            token="secret",
            api=f"http://127.0.0.1:{server.server_port}",
        )

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def said(number, who, body):
    return {"id": number, "user": {"login": who}, "body": body}


def test_without_a_comment_of_ours_one_is_made(serve):
    others = [said(1, "somebody", f"{MARK} a copy"), said(2, BOT, "another workflow's")]
    api = Api(others)
    assert serve(api).comment(MARK, "text") == "https://github.com/POST"
    assert api.asked == [("GET", f"7/comments?per_page={PAGE}&page=1"), ("POST", "7/comments")]


def test_ours_is_rewritten_though_it_is_on_a_later_page(serve):
    api = Api([said(n, "somebody", "x") for n in range(PAGE)] + [said(500, BOT, f"{MARK}\nold")])
    assert serve(api).comment(MARK, "text") == "https://github.com/PATCH"
    assert api.asked[-1] == ("PATCH", "comments/500")
    assert len(api.asked) == 3


def test_what_github_refuses_is_told_without_the_token(serve):
    with pytest.raises(Refused) as refused:
        serve(Api(status=403)).comment(MARK, "text")
    assert "403" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "secret" not in repr(serve(Api()))


def test_elsewhere_than_in_a_pull_requests_job_a_comment_is_refused(run, monkeypatch):
    for name in ("GITHUB_EVENT_PATH", "GITHUB_REPOSITORY", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    code, _, err = run("delivery", "comment")
    assert code == 1
    assert "GITHUB_EVENT_PATH is missing" in err


@pytest.mark.parametrize("step", ["begin", "preview", "drift"])
def test_a_repository_without_its_variables_is_told_what_prints_them(run, monkeypatch, step):
    for name in ("CAREAPP_KEY", "PULUMI_BACKEND_URL"):
        monkeypatch.setenv(name, "")
    code, _, err = run("delivery", step)
    assert code == 1
    assert "is empty" in err
    assert "./careapp delivery setup" in err


NEEDED = ("AWS_REGION", "CAREAPP_PROD_ROLE", "CAREAPP_KEY", "PULUMI_BACKEND_URL")


@pytest.mark.parametrize("missing", NEEDED)
def test_a_variable_that_an_environment_lacks_is_named_before_anything_is_tried(
    run, monkeypatch, missing
):
    for name in NEEDED:
        monkeypatch.setenv(name, "something")
    assert run("delivery", "check", "--stack", "prod") == (0, "", "")
    monkeypatch.setenv(missing, "")
    code, _, err = run("delivery", "check", "--stack", "prod")
    assert code == 1
    assert err.startswith(f"careapp: {missing} is empty")


@pytest.mark.parametrize("step", ["begin", "preview", "drift"])
def test_without_pulumi_it_says_where_to_get_it(run, monkeypatch, step, tmp_path):
    monkeypatch.setenv("CAREAPP_KEY", "awskms://alias/x")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = run("delivery", step)
    assert code == 1
    assert "no pulumi on PATH" in err


def fake_pulumi(folder, monkeypatch, script):
    program = folder / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary"))
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)


STACKS = """case "$1 $2" in
  "stack ls") echo '[{"name": "organization/careapp/poc"}]' ;;
  "stack export") echo '{"deployment": {"resources": [{"type": "pulumi:pulumi:Stack"}, {"type": "a"}]}}' ;;
  *) %s ;;
esac"""


def test_a_check_that_could_not_be_made_is_red_and_is_not_called_drift(run, monkeypatch, tmp_path):
    fake_pulumi(tmp_path, monkeypatch, STACKS % "echo no credentials; exit 4")
    code, out, _ = run("delivery", "drift")
    assert (code, out) == (4, "no credentials\n")
    summary = (tmp_path / "summary").read_text()
    assert summary.startswith("### poc: the drift check failed\n")
    assert "no credentials" in summary


def test_a_preview_that_fails_is_red_and_says_so(run, monkeypatch, tmp_path):
    fake_pulumi(tmp_path, monkeypatch, STACKS % "echo broken >&2; exit 3")
    code, _, _ = run("delivery", "preview")
    assert code == 3
    assert (tmp_path / "summary").read_text().startswith("### Preview of poc: failed\n")


def test_a_state_that_cannot_be_read_is_refused_with_pulumis_words(run, monkeypatch, tmp_path):
    fake_pulumi(tmp_path, monkeypatch, "echo AccessDenied >&2; exit 1")
    code, _, err = run("delivery", "preview")
    assert code == 1
    assert "`pulumi stack ls --json` failed: AccessDenied" in err


def test_no_output_of_pulumi_ends_the_fence_around_it():
    text = words.fenced("a\n````\n@everyone\n```\nb")
    first, *_, last = text.splitlines()
    assert first == last == "`````"


def test_a_long_preview_keeps_its_end_and_fits_into_comment_and_variable():
    long = "".join(f"{number} あ\n" for number in range(20_000)) + "    + 3 to create\n"
    text = words.preview("poc", long, False, "en")
    assert len(text.encode()) < 65_000
    assert text.startswith("### Preview of poc: + 3 to create\n")
    assert "The beginning is left out" in text
    assert text.rstrip().endswith("</details>")
    assert "    + 3 to create\n" in text


def finding(title, kind="cause"):
    return Finding(id=title, kind=kind, rank=1, title=t(title), why=t("a reason"))


def test_the_summary_of_a_failure_is_the_first_finding_and_no_other():
    found = Diagnosis(
        names="careapp-poc",
        stage=t("stage 2"),
        findings=(finding("first"), finding("second")),
        unseen=(),
    )
    text = words.finding(found, "en")
    assert text.startswith("### first\n")
    assert "a reason" in text
    assert "second" not in text


def test_without_a_finding_the_log_is_pointed_at():
    found = Diagnosis(names="careapp-poc", stage=t("stage 2"), findings=(), unseen=())
    assert "the doctor finds no cause" in words.finding(found, "en")
