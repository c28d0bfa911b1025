"""An identity provider for stacks without a data plane, and the settings of a login there."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from careapp.settings.login import CALLBACK_PATH
from local_cloud.aws import hooks
from local_cloud.aws.elb.login import OIDC
from local_cloud.aws.names import trust_variables
from local_cloud.calls import Calls
from local_cloud.identity_provider import IdentityProvider
from local_cloud.machine.authority import Authority


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
    calls: Calls, provider: IdentityProvider, url: str, secret: str
) -> dict[str, str]:
    """Register the client of a page's URL, store its secret, and return the settings."""
    client = provider.register(f"{url}{CALLBACK_PATH}")
    asked = {"Name": "careapp-poc/login", "SecretString": secret}
    made = calls("secretsmanager", "create_secret", asked)
    settings = {
        "loginIssuer": provider.issuer,
        "loginClientId": client.client_id,
        "loginSecretArn": made["ARN"],
    }
    change_secret(calls, provider, settings, secret)
    return settings


def change_secret(
    calls: Calls, provider: IdentityProvider, settings: dict[str, str], secret: str
) -> None:
    """Let the client have another secret, at the provider and in Secrets Manager."""
    client = provider.clients[settings["loginClientId"]]
    provider.clients[client.client_id] = replace(client, client_secret=secret)
    stored = {"SecretId": settings["loginSecretArn"], "SecretString": secret}
    calls("secretsmanager", "put_secret_value", stored)


def login_of(calls: Calls) -> dict[str, Any]:
    [balancer] = calls("elbv2", "describe_load_balancers", {})["LoadBalancers"]
    where = {"LoadBalancerArn": balancer["LoadBalancerArn"]}
    listeners = calls("elbv2", "describe_listeners", where)["Listeners"]
    elb = hooks.backend("elbv2")
    rules = [rule for each in listeners for rule in elb.describe_rules(each["ListenerArn"], None)]
    actions = [action.data for rule in rules for action in rule.actions if action.type == OIDC]
    first, second = (action["AuthenticateOidcConfig"] for action in actions)
    assert first == second
    return dict(first)
