"""Login at the load balancer by OpenID Connect: its keys and record."""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from careapp.settings import load_balancer, rules, shifting
from careapp.settings.container import ARN
from careapp.settings.file import Reader
from careapp.settings.rules import Change, Invalid, Key, value_of
from ecs_gate.facts.elb import CALLBACK_PATH, covers
from ecs_gate.text import t

MOST_PATHS = MOST_WILDCARDS = 5
"""ELB's quotas of condition values and of wildcards in a rule; AWS's pages have five and six wildcards."""
PATTERN = re.compile(r"/[A-Za-z0-9_.$/~\"'@:+&*?-]{0,127}")
"""A path pattern as ELB takes it (API reference, RuleCondition)."""


def issuer(text: str) -> str:
    """Return an issuer's URL. Raises ValueError for one that OpenID Connect or ELB does not take.

    HTTPS: API reference, AuthenticateOidcActionConfig. No query or fragment: OpenID Connect Core 1.0, section 2.
    """
    url = urlsplit(text)
    if text and (url.scheme != "https" or not url.hostname or url.query or url.fragment):
        raise Invalid(
            "{text!r} is not an issuer; write the provider's URL, which begins with https:// and has neither ? "
            "nor #, as in its discovery document: https://login.example.com",
            text=text,
        )
    return text


def paths(text: str) -> tuple[str, ...]:
    """Return the path patterns of a comma-separated list. Raises ValueError for what ELB or a login refuses."""
    patterns = rules.names(text)
    for pattern in patterns:
        if not PATTERN.fullmatch(pattern):
            raise Invalid(
                "{path!r} is not a path that begins with /, at most 128 characters; * and ? are wildcards",
                path=pattern,
            )
        if covers(pattern, CALLBACK_PATH):
            raise Invalid(
                "{path} covers {callback}, with which a login ends; write narrower paths",
                path=pattern,
                callback=CALLBACK_PATH,
            )
    if len(patterns) > MOST_PATHS:
        raise Invalid(
            "{count} paths are more than the {most} values that a rule of the load balancer takes; use "
            "wildcards, like /assets/*",
            count=len(patterns),
            most=MOST_PATHS,
        )
    if (wildcards := sum(each.count("*") + each.count("?") for each in patterns)) > MOST_WILDCARDS:
        raise Invalid(
            "{count} wildcards are more than the {most} that a rule of the load balancer takes",
            count=wildcards,
            most=MOST_WILDCARDS,
        )
    return patterns


TOGETHER = Change(
    "changes in place: users log in before their next request; from empty to a value, and back, only the rules change"
)
LOGIN_ISSUER = Key(
    "loginIssuer",
    "",
    issuer,
    "issuer of the OpenID Connect provider at which users log in, as in its discovery document; empty: no login",
    example="https://login.example.com",
    change=TOGETHER,
)
LOGIN_CLIENT_ID = Key(
    "loginClientId",
    "",
    rules.pattern(r"[!-~]{0,256}", t("a client ID as the provider shows it")),
    "client ID of the load balancer at the provider",
    example="careapp",
)
LOGIN_SECRET_ARN = Key(
    "loginSecretArn",
    "",
    rules.pattern(
        rf"|{ARN.pattern}",
        t(
            "the complete ARN of a Secrets Manager secret, with or without a JSON key: "
            "arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX:KEY::"
        ),
    ),
    "ARN of the Secrets Manager secret that is the client's secret, with or without `:KEY::`",
    example="arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:careapp-poc/login-AbCdEf",
)
PUBLIC_PATHS = Key(
    "publicPaths",
    "",
    paths,
    "paths that need no login, separated by commas, with `*` and `?`; empty: `healthPath`",
    example="/health,/static/*",
)


@dataclass(frozen=True, kw_only=True)
class LoginSettings:
    """The provider and the load balancer's client there; without an issuer nobody logs in."""

    issuer: str = value_of(LOGIN_ISSUER)
    client_id: str = value_of(LOGIN_CLIENT_ID)
    secret_arn: str = value_of(LOGIN_SECRET_ARN)
    public: tuple[str, ...] = ()
    """Path patterns that need no login."""

    @property
    def enabled(self) -> bool:
        return bool(self.issuer)

    def protects(self, path: str) -> bool:
        """Return whether a path needs a login."""
        return self.enabled and not any(covers(pattern, path) for pattern in self.public)

    @classmethod
    def load(cls, read: Reader, *, https: bool, strategy: str) -> Self:
        public = read(PUBLIC_PATHS)
        if read(LOGIN_ISSUER) and not public:
            health = read.text(load_balancer.HEALTH_PATH).partition("?")[0]
            public = read.together(
                lambda: paths(health), PUBLIC_PATHS, load_balancer.HEALTH_PATH, otherwise=()
            )
        given = read.record(cls, public=public)
        keys = (LOGIN_ISSUER, LOGIN_CLIENT_ID, LOGIN_SECRET_ARN)
        others = (load_balancer.CERTIFICATE_ARN, load_balancer.DOMAIN_NAME)
        every = (*keys, shifting.DEPLOY_STRATEGY, *others)
        values = dict(zip(keys, (given.issuer, given.client_id, given.secret_arn), strict=True))
        missing = ", ".join(key.name for key, value in values.items() if not value)
        incomplete = t(
            "a login needs {all}; not set: {missing}. `pulumi config set --plaintext KEY VALUE`",
            all=", ".join(key.name for key in keys),
            missing=missing,
        )
        read.refuse(any(values.values()) and missing, incomplete, *every)
        # ELB logs users in on HTTPS listeners only ("Authenticate users").
        plain = t(
            "{issuer} is set and the stack has no HTTPS, without which the load balancer logs nobody in; set "
            "domainName with hostedZoneId, or certificateArn",
            issuer=given.issuer,
        )
        read.refuse(given.enabled and not https, plain, *every)
        # An edition of the ECS developer guide ("Application Load Balancer resources for blue/green deployments") says
        # that a deployment fails where rules authenticate; the newer one says nothing about it.
        shifted = t(
            "{issuer} is set together with deployStrategy {strategy}: ECS rewrites the rule with which users "
            "log in, and AWS does not say that it keeps the login; set deployStrategy rolling, or no login",
            issuer=given.issuer,
            strategy=strategy,
        )
        read.refuse(given.enabled and strategy != shifting.ROLLING, shifted, *every)
        return given
