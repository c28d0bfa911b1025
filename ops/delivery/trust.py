"""Who may take the delivery's roles: single workflows' tokens, named in full, and nobody by a pattern."""

from __future__ import annotations

from typing import Any

from infra.statements import policy
from ops.delivery.names import BY_BRANCH, Account, Repository

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
Document = dict[str, Any]


def subjects(repository: Repository, *ends: str) -> list[str]:
    """The `sub` of a token, in each format that GitHub writes for the repository.

    Today's format names owner and repository. Repositories that were made, renamed or moved after
    2026-07-15, and older ones on request, carry GitHub's numbers too, so that nobody who takes a
    name over gets its trust (GitHub's changelog of 2026-04-23; GitHub Docs, "OpenID Connect
    reference"). That format is trusted once the numbers are known.
    """
    owner, _, name = repository.name.partition("/")
    starts = [f"repo:{owner}/{name}"]
    if repository.owner_id:
        starts.append(f"repo:{owner}@{repository.owner_id}/{name}@{repository.repository_id}")
    return [f"{start}:{end}" for start in starts for end in ends]


def of_preview(account: Account, repository: Repository) -> Document:
    """For previews of pull requests, and for the drift check, which runs on the branch.

    GitHub gives a fork's pull request no token at all.
    """
    return _trust(account, subjects(repository, "pull_request", _branch(repository)))


def of_deploy(account: Account, repository: Repository, stack: str) -> Document:
    """For deploys: of BY_BRANCH by the branch, of another stack by the environment of its name.

    A job with `environment:` has the environment in its `sub` instead of the branch.
    """
    end = _branch(repository) if stack == BY_BRANCH else f"environment:{stack}"
    return _trust(account, subjects(repository, end))


def provider_arn(account: Account) -> str:
    """The ARN of GitHub's identity provider in the account."""
    return account.iam(f"oidc-provider/{ISSUER}")


def _branch(repository: Repository) -> str:
    return f"ref:refs/heads/{repository.branch}"


def _trust(account: Account, allowed: list[str]) -> Document:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn(account)},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{ISSUER}:aud": AUDIENCE, f"{ISSUER}:sub": allowed}},
    }
    return policy(statement)
