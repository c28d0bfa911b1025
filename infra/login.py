"""Login at the load balancer: the provider's discovery document, and what the listener rules need of it."""

from __future__ import annotations

import http.client
import json
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

import pulumi
import pulumi_aws as aws

from careapp.settings.login import LoginSettings
from careapp.settings.names import DOTS_RULE_PRIORITY, PUBLIC_RULE_PRIORITY
from careapp.settings.settings import Settings
from ecs_gate.facts.elb import ports
from ecs_gate.text import Refused, Text, t, text_of, verbatim

from .component import Component
from .load_balancer import Action, LoadBalancer
from .security_groups import SecurityGroupRules

DISCOVERY = "/.well-known/openid-configuration"
"""OpenID Connect Discovery 1.0, section 4."""
DISCOVERY_SECONDS = 10
LARGEST = 1 << 20
SECRET_COMES_LATER = "set-by-pulumi-up-from-loginSecretArn"  # noqa: S105 - it stands for the secret
"""What the state has in the client secret's place; `careapp.update.login_secret` sends ELB the secret itself."""
SCOPES = "openid email"
"""What the load balancer asks for. Without `openid` the provider sends no ID token, and ELB answers 401."""
SESSION_SECONDS = 12 * 3600
"""After which a user logs in again."""


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """The endpoints of a discovery document that ELB uses, by the document's names."""

    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str

    @property
    def ports(self) -> list[int]:
        """The ports to which the load balancer itself connects."""
        return ports(self.token_endpoint, self.userinfo_endpoint)


def discover(settings: Settings, before: Mapping[str, Any]) -> Endpoints | None:
    """Return the provider's endpoints as its discovery document has them now; None without a service or a login.

    Those of the last update, in the stack's resources ``before``, serve while the document cannot be read, so that the
    provider's outage stops no deployment. Call it before the first resource. Raises RunError that names the issuer.
    """
    login = settings.login
    if not (settings.ecs_enabled and login.enabled):
        return None
    url = login.issuer.removesuffix("/") + DISCOVERY
    try:
        return _published(login, url)
    except Unusable as problem:
        known = _deployed(login.issuer, before)
        if known is None:
            raise _refused(login, url, text_of(problem)) from None
        message = t(
            "loginIssuer: {url} cannot be used: {why}. The login stays as it was deployed.",
            url=url,
            why=text_of(problem),
        )
        pulumi.log.warn(str(message))
        return known


class Unusable(Refused):
    """A discovery document that cannot be read, or lacks what ELB needs."""


def _published(login: LoginSettings, url: str) -> Endpoints:
    """Return the endpoints of the document at ``url``. Raises ``Unusable``."""
    try:
        with urllib.request.urlopen(url, timeout=DISCOVERY_SECONDS) as answer:  # noqa: S310 - https, by its rule
            document = json.loads(answer.read(LARGEST))
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise Unusable(verbatim(str(problem) or type(problem).__name__)) from None
    if not isinstance(document, dict):
        raise Unusable(t("it is not a JSON object"))
    if document.get("issuer") != login.issuer:
        raise Unusable(t("its issuer is {other!r}", other=str(document.get("issuer"))))
    known: dict[str, str] = {}
    for name in (field.name for field in fields(Endpoints)):
        value = document.get(name)
        if not isinstance(value, str) or urlsplit(value).scheme != "https":
            why = t(
                "its {name} is {value!r}, which is no URL of https", name=name, value=str(value)
            )
            raise Unusable(why)
        known[name] = value
    return Endpoints(**known)


def _deployed(issuer: str, before: Mapping[str, Any]) -> Endpoints | None:
    """Return the endpoints with which a rule of the stack logs users in at an issuer."""
    for resource in before.values():
        for action in resource["outputs"].get("actions") or ():
            oidc = action.get("authenticateOidc") or {}
            if oidc.get("issuer") == issuer:
                return Endpoints(
                    authorization_endpoint=oidc["authorizationEndpoint"],
                    token_endpoint=oidc["tokenEndpoint"],
                    userinfo_endpoint=oidc["userInfoEndpoint"],
                )
    return None


def _refused(settings: LoginSettings, url: str, why: Text) -> pulumi.RunError:
    message = t(
        "loginIssuer: {issuer} cannot be used: {url}: {why}. Nothing was changed. Write the issuer as the provider's "
        'discovery document has it, or turn the login off: `pulumi config set loginIssuer ""`, and the same for '
        "loginClientId and loginSecretArn.",
        issuer=settings.issuer,
        url=url,
        why=why,
    )
    return pulumi.RunError(str(message))


def authenticate(settings: LoginSettings, endpoints: Endpoints) -> Action:
    """Return the action that logs users in, the first of its rule."""
    return {
        "type": "authenticate-oidc",
        "order": 1,
        "authenticate_oidc": {
            "issuer": settings.issuer,
            "authorization_endpoint": endpoints.authorization_endpoint,
            "token_endpoint": endpoints.token_endpoint,
            "user_info_endpoint": endpoints.userinfo_endpoint,
            "client_id": settings.client_id,
            "client_secret": SECRET_COMES_LATER,
            "scope": SCOPES,
            "session_timeout": SESSION_SECONDS,
            "on_unauthenticated_request": "authenticate",
        },
    }


DOTS = ("/*..*", "/*//*")
"""Paths that an app may read as another one: `/static/../x` is `/x` to it, and begins like a public path.

ELB takes no `%` in a pattern, and five wildcards in a rule. It compares patterns after "URI normalization" (ELB user
guide, "Condition types for listener rules"), which decodes `%2e` (RFC 3986, section 6.2.2.2).
"""


class Login(Component):
    """What must be there before a rule logs users in: the way to the provider, and the rules of the public paths."""

    rule_arn: pulumi.Output[str]
    """The rule that asks for a login on paths with dots; it needs the client secret as well."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        balancer: LoadBalancer,
        endpoints: Endpoints,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__(name, settings, opts)
        self.balancer = balancer
        group, rules = balancer.security_group_id, SecurityGroupRules(name, self)
        for port in endpoints.ports:
            rules.reach("alb", group, "login", port, "To the provider of the login")
        login = authenticate(settings.login, endpoints)
        dots = self._rule(f"{name}-dots", DOTS_RULE_PRIORITY, DOTS, self.child, login)
        after = self.options(depends_on=[dots])
        self._rule(f"{name}-public", PUBLIC_RULE_PRIORITY, settings.login.public, after)
        self.rule_arn = dots.arn
        self.register_outputs({})

    def _rule(
        self,
        name: str,
        priority: int,
        patterns: Sequence[str],
        opts: pulumi.ResourceOptions,
        *before: Action,
    ) -> aws.lb.ListenerRule:
        """Create the rule that forwards requests for these paths to the tasks, after the actions ``before``."""
        paths: aws.lb.ListenerRuleConditionArgsDict = {"path_pattern": {"values": [*patterns]}}
        actions = [*before, self.balancer.forward(order=len(before) + 1 if before else None)]
        return self.balancer.rule(name, priority, paths, actions, opts)
