"""Whom the delivery's roles trust, judged as STS does: every condition, by whole strings."""

import itertools

import pytest

from ops.delivery import trust
from ops.delivery.names import Repository
from tests.ops.delivery import ACCOUNT

OLD = Repository(name="octo-org/careapp")
NEW = Repository(name="octo-org/careapp", owner_id="12", repository_id="345")
SHORT, LONG = "repo:octo-org/careapp", "repo:octo-org@12/careapp@345"
MAIN, PULL, PROD = "ref:refs/heads/main", "pull_request", "environment:prod"
STRANGERS = [
    "repo:octo-org/other",
    "repo:evil/careapp",
    "repo:octo-org/careapp-fork",
    "repo:Octo-Org/careapp",
    "repo:octo-org@12/careapp@346",
    "repo:octo-org@13/careapp@345",
    "repo:octo-org@12/other@345",
]
ENDS = [
    *(MAIN, PULL, PROD, "environment:poc", "environment:dev", "ref:refs/heads/maintenance"),
    *(
        "ref:refs/heads/feature/main",
        "ref:refs/tags/main",
        "ref:refs/heads/main2",
        "environment:prod2",
    ),
]


def trusted(
    document, subject, audience="sts.amazonaws.com", action="sts:AssumeRoleWithWebIdentity"
):
    """Whether a token of GitHub's with these claims may take the role."""
    claims = {f"{trust.ISSUER}:sub": subject, f"{trust.ISSUER}:aud": audience}
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        assert statement["Principal"] == {"Federated": trust.provider_arn(ACCOUNT)}
        assert set(statement["Condition"]) == {"StringEquals"}, "a pattern could fit too much"
        fits = (
            claims.get(key) in ([allowed] if isinstance(allowed, str) else allowed)
            for key, allowed in statement["Condition"]["StringEquals"].items()
        )
        if statement["Action"] == action and all(fits):
            return True
    return False


def who(document, starts):
    """Which of all subjects are trusted."""
    every = (f"{start}:{end}" for start, end in itertools.product([*starts, *STRANGERS], ENDS))
    return {subject for subject in every if trusted(document, subject)}


@pytest.mark.parametrize(("repository", "starts"), [(OLD, [SHORT]), (NEW, [SHORT, LONG])])
@pytest.mark.parametrize(
    ("stack", "end"), [("poc", MAIN), ("prod", PROD), ("dev", "environment:dev")]
)
def test_a_deploy_is_trusted_from_its_one_branch_or_environment_alone(
    repository, starts, stack, end
):
    document = trust.of_deploy(ACCOUNT, repository, stack)
    assert who(document, [SHORT, LONG]) == {f"{start}:{end}" for start in starts}


@pytest.mark.parametrize(("repository", "starts"), [(OLD, [SHORT]), (NEW, [SHORT, LONG])])
def test_a_preview_is_trusted_from_pull_requests_and_the_branch_of_the_drift_check(
    repository, starts
):
    document = trust.of_preview(ACCOUNT, repository)
    expected = {f"{start}:{end}" for start in starts for end in (PULL, MAIN)}
    assert who(document, [SHORT, LONG]) == expected


def test_a_token_for_another_audience_or_another_way_in_is_refused():
    document = trust.of_deploy(ACCOUNT, NEW, "poc")
    subject = f"{SHORT}:{MAIN}"
    assert trusted(document, subject)
    assert not trusted(document, subject, audience="https://github.com/octo-org")
    assert not trusted(document, subject, action="sts:AssumeRole")


def test_another_branch_can_be_the_one_that_deploys():
    repository = Repository(name="octo-org/careapp", branch="release/1.x").checked()
    document = trust.of_deploy(ACCOUNT, repository, "poc")
    assert trusted(document, f"{SHORT}:ref:refs/heads/release/1.x")
    assert not trusted(document, f"{SHORT}:{MAIN}")
