"""Sends the load balancer the client secret with which it logs users in, so that no state has it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pulumi

from careapp.additions.target import session_of
from careapp.settings.settings import Settings
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.parts.login import NoSecret, client_secret
from ecs_gate.text import t, text_of

OIDC = "authenticate-oidc"


def send(settings: Settings, rule_arns: Sequence[pulumi.Output[str]]) -> None:
    """Send the secret in Secrets Manager to ELB, once the rules exist; in each `pulumi up`, never in a preview.

    ELB never returns it (API reference, DescribeRules), so nobody can tell whether it has the current one. The
    role of a preview runs code that nobody has reviewed, and reads the state: so it must be in neither.
    Raises RunError when the program waits for its outputs.
    """
    if pulumi.runtime.is_dry_run():
        return

    async def sent(arns: Sequence[str]) -> bool:
        session = session_of(settings)
        try:
            secret = await asyncio.to_thread(client_secret, session, settings.login.secret_arn)
            for arn in arns:
                await asyncio.to_thread(replace, session, arn, secret)
        except (AwsProblem, NoSecret) as problem:
            why = problem.as_text() if isinstance(problem, AwsProblem) else text_of(problem)
            raise pulumi.RunError(
                str(
                    t(
                        "nobody can log in: the load balancer did not get the secret of loginSecretArn {arn}: {why}",
                        arn=settings.login.secret_arn,
                        why=why,
                    )
                )
            ) from None
        return True

    pulumi.Output.all(*rule_arns).apply(sent)  # type: ignore[arg-type]  # mypy cannot infer its U


def replace(session: Session, rule_arn: str, secret: str) -> None:
    """Give the rule's login the secret, and change nothing else of it. Raises AwsProblem."""
    [rule] = session.call("elbv2", "describe_rules", RuleArns=[rule_arn])["Rules"]
    actions = [_with_secret(action, secret) for action in rule["Actions"]]
    session.call("elbv2", "modify_rule", RuleArn=rule_arn, Actions=actions)


def _with_secret(action: dict[str, Any], secret: str) -> dict[str, Any]:
    if action["Type"] != OIDC:
        return action
    return {
        **action,
        "AuthenticateOidcConfig": {**action["AuthenticateOidcConfig"], "ClientSecret": secret},
    }
