"""The doctor on a login: what is wrong between load balancer and provider, and what was seen of the page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tools.doctor.diagnose import judge
from tools.snapshot.records import Part
from tools.tests import stacks as a
from tools.tests.doctor.situations import PROVIDER, SITUATIONS, logs_in


def test_a_page_that_asks_to_log_in_is_healthy_and_it_is_said_that_nothing_else_was_seen():
    found = judge(logs_in())
    assert (found.healthy, found.findings) == (True, ())
    assert str(found.page) == (
        "GET / asks to log in at https://login.example.com, so nothing of the page itself was seen; to have it seen, "
        "set smokePath to one of publicPaths."
    )


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("login-cut-off", "pulumi up -s poc"),
        ("login-not-asked", "pulumi up --refresh -s poc"),
        ("login-client-refused", "pulumi up -s poc"),
        ("login-redirect-refused", None),
    ],
)
def test_what_is_wrong_is_the_one_cause_with_its_cure(name, command):
    [cause] = judge(SITUATIONS[name]).causes
    assert cause.id == name
    assert cause.fixes[0].commands[-1:] == ((command,) if command else ())


def test_the_fixes_name_the_address_and_the_secret_and_never_its_value():
    [cause] = judge(SITUATIONS["login-redirect-refused"]).causes
    assert PROVIDER.callback in str(cause.fixes[0].text)
    [cause] = judge(SITUATIONS["login-client-refused"]).causes
    stored = cause.fixes[0].commands[0]
    assert "secret:careapp-poc/login-AbCdEf --secret-string file://secret.txt" in stored


def test_a_secret_that_may_not_be_read_and_a_provider_that_cannot_be_reached_are_no_cause():
    assert judge(logs_in(replace(PROVIDER, error=""))).healthy
    found = judge(replace(logs_in(), login=Part(problem=a.DENIED)))
    assert found.healthy
    assert [str(each.part) for each in found.unread] == ["the provider of the login"]


def test_a_public_page_is_asked_for_nothing():
    public = replace(logs_in().settings.login, public=("/",))
    now = replace(SITUATIONS["login-not-asked"])
    settings = replace(now.settings, login=public)
    assert judge(replace(now, settings=settings)).healthy
