"""A login in front of the app, by a real browser: from the page to the provider and back to the page."""

import re
import time

import pytest

from tests.browser.conftest import DESKTOP, Rehearsal, reader
from tests.rehearsal.conftest import Careapp

SETTINGS = (
    *("certificateArn=arn:aws:acm:ap-northeast-1:111122223333:certificate/0a", "loginClientId=x"),
    "loginIssuer=https://login.example.com",
    "loginSecretArn=arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:careapp-poc/login-AbCdEf",
)
USER = "adam@example.com"


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory):
    """A rehearsal of the settings of a login, with both stages up."""
    careapp = Careapp(tmp_path_factory.mktemp("login"))
    settings = [word for setting in SETTINGS for word in ("-c", setting)]
    started = Rehearsal(careapp, "--port", "0", *settings)
    deadline = time.monotonic() + 240
    while "Ctrl-C destroys everything again" not in "".join(started.said[-3:]):
        assert started.child.poll() is None, "".join(started.said)
        assert time.monotonic() < deadline, "".join(started.said)
        time.sleep(0.2)
    yield started
    started.end()


@pytest.fixture
def page(browser):
    """A page of a user who trusts this machine's certificates, as those of AWS."""
    context = reader(browser, DESKTOP, ignore_https_errors=True)
    yield context.new_page()
    context.close()


def test_a_user_logs_in_and_the_app_greets_him_by_what_the_load_balancer_signs(rehearsal, page):
    state = rehearsal.careapp.facts()["state"]
    url = next(each["url"] for each in state["listeners"] if each["declared"] == "HTTPS:443")
    page.goto(f"{url}/")
    assert page.url.startswith(f"{state['issuer']}/authorize?")
    page.get_by_label("E-mail address").fill(USER)
    page.get_by_role("button", name="Log in").click()
    page.get_by_text(re.compile(f"Logged in as {USER}")).wait_for(timeout=30_000)
    assert page.url == f"{url}/"
    assert page.goto(f"{url}/health").status == 200
    page.context.clear_cookies()
    assert page.goto(f"{url}/health").status == 200, "a public path"
    page.goto(f"{url}/")
    assert page.url.startswith(state["issuer"])


def test_the_gate_says_that_it_saw_only_the_request_to_log_in(rehearsal):
    said = " ".join("".join(rehearsal.said).split())
    issuer = rehearsal.careapp.facts()["state"]["issuer"]
    assert f"GET / asks to log in at {issuer}, so nothing of the page itself was seen" in said
