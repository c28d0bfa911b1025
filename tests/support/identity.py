"""An identity provider for stacks without a data plane, and the settings of a login there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.local_cloud.aws import hooks
from tools.local_cloud.aws.elb.login import OIDC
from tools.local_cloud.aws.names import trust_variables
from tools.local_cloud.calls import Calls
from tools.local_cloud.identity_provider import IdentityProvider
from tools.local_cloud.machine.authority import Authority

CALLBACK = "https://localhost/oauth2/idpresponse"


@contextlib.contextmanager
def identity_provider(folder: Path) -> Iterator[IdentityProvider]:
    """Run one, which the programs trust that are started meanwhile."""
    authority = Authority(folder)
    provider = IdentityProvider(authority)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in trust_variables(folder, authority).items():
            patch.setenv(name, value)
        provider.start()
        yield provider
        provider.stop()


def login_settings(
    calls: Calls, provider: IdentityProvider, secret: str, name: str = "careapp-poc/login"
) -> dict[str, str]:
    """Register a client, store a secret for it, and return the settings."""
    made = calls("secretsmanager", "create_secret", {"Name": name, "SecretString": secret})
    return {
        "loginIssuer": provider.issuer,
        "loginClientId": provider.register(CALLBACK).client_id,
        "loginSecretArn": made["ARN"],
    }


def login_of(calls: Calls) -> dict[str, Any]:
    """Return the login of the stack's rule as the load balancer has it, with its secret."""
    [balancer] = calls("elbv2", "describe_load_balancers", {})["LoadBalancers"]
    where = {"LoadBalancerArn": balancer["LoadBalancerArn"]}
    listeners = calls("elbv2", "describe_listeners", where)["Listeners"]
    elb = hooks.backend("elbv2")
    rules = [rule for each in listeners for rule in elb.describe_rules(each["ListenerArn"], None)]
    actions = [action.data for rule in rules for action in rule.actions if action.type == OIDC]
    [config] = [each["AuthenticateOidcConfig"] for each in actions]
    return dict(config)
