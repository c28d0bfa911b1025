"""Check the login: the load balancer's way to the provider, its client there, and whether the page asks for it."""

from collections.abc import Iterator

from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import BALANCER_NODE, INTERNET, Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.diagnosis.reachability import INTERNET as PROVIDER
from ecs_gate.diagnosis.reachability import Side, missing_rules
from ecs_gate.facts.secrets import secret_arn
from ecs_gate.parts import elb
from ecs_gate.parts.elb import answer
from ecs_gate.parts.login import CLIENT_SECRET_FILE
from ecs_gate.text import t, verbatim

LOGIN_CUT_OFF = Facts("login-cut-off", 31, {BALANCER_NODE}, certain=True)
LOGIN_NOT_ASKED = Facts("login-not-asked", 32, {INTERNET})
LOGIN_CLIENT_REFUSED = Facts("login-client-refused", 33, {INTERNET})
LOGIN_REDIRECT_REFUSED = Facts("login-redirect-refused", 33, {INTERNET})

LOGIN_KEYS = ("loginIssuer", "loginClientId", "loginSecretArn")
INVALID_CLIENT = "invalid_client"
ANOTHER_CLIENT = Fix(t("If the provider has another client ID, set that ({loginClientId})."))


def cut_off(case: Case) -> Iterator[Finding]:
    """Check that the load balancer's security groups let it reach the provider."""
    balancer, network = case.now.balancer.value, case.network
    group = case.now.group.value
    oidc = elb.login(case.listener, group.arn) if group else None
    if balancer is None or network is None or oidc is None:
        return
    closed = [
        port for port in oidc.ports if missing_rules(network, Side(balancer.groups), PROVIDER, port)
    ]
    if not closed:
        return
    yield Finding(
        LOGIN_CUT_OFF,
        title=t("The load balancer cannot reach the provider at which users log in"),
        why=t(
            "After the login it asks the provider for the user's claims; without an answer users get HTTP 500."
        ),
        seen=(
            t(
                "No security group of {balancer} allows outbound TCP {ports} to the internet.",
                balancer=balancer.name,
                ports=", ".join(map(str, closed)),
            ),
        ),
        fixes=case.correct_program(
            t("Let the load balancer reach the provider ({login}), and deploy:")
        ),
    )


def not_asked(case: Case) -> Iterator[Finding]:
    """Find a page that needs a login by the settings, and that the load balancer gives to anybody."""
    page, login = case.now.page.value, case.target.login
    if page is None or not page.status or page.login or not login.protects(page.path):
        return
    if page.fails or page.leads_to:
        return
    problem = case.now.login.problem
    off = (command for key in LOGIN_KEYS for command in case.remedies.set(key, '""'))
    # The program reads the provider's document before it makes a rule.
    text = t("Correct the issuer, or turn the login off until the provider can be read:")
    correct = (case.deploy(text, *off),) if problem else ()
    again = case.refresh(t("Restore the rule that asks for it:"))
    yield Finding(
        LOGIN_NOT_ASKED,
        title=t(
            "Everybody gets the page {path}: the load balancer asks for no login", path=page.path
        ),
        why=t(
            "A login is declared, and {path} is none of the paths that need none.", path=page.path
        ),
        seen=(answer(page.path, page.status), *((problem.text,) if problem else ())),
        # What may have passed by now changes no setting.
        fixes=correct if problem and not problem.temporary else (again, *correct),
    )


def client(case: Case) -> Iterator[Finding]:
    """Check that the provider accepts the load balancer's client ID and secret."""
    provider = case.now.login.value
    if provider is None or provider.error != INVALID_CLIENT:
        return
    arn = secret_arn(case.target.login.secret_arn)
    stored = f"aws secretsmanager put-secret-value --secret-id {arn} --secret-string file://{CLIENT_SECRET_FILE}"
    text = t(
        "Store the secret of client {client} as the provider shows it, from a file, and give it to the load balancer:",
        client=provider.client,
    )
    yield Finding(
        LOGIN_CLIENT_REFUSED,
        title=t("The provider of the login refuses the load balancer's client ID or secret"),
        why=t("After the login the load balancer gets no token, and users get HTTP 561."),
        seen=(t("The token endpoint answers {error}.", error=verbatim(provider.error)),),
        fixes=(case.deploy(text, stored), ANOTHER_CLIENT),
    )


def redirect(case: Case) -> Iterator[Finding]:
    """Check that the provider knows the address that it is to send users back to."""
    provider = case.now.login.value
    if provider is None or not 400 <= provider.status < 500:
        return
    allow = t("At the provider, allow this redirect address: {url}", url=provider.callback)
    yield Finding(
        LOGIN_REDIRECT_REFUSED,
        title=t("The provider of the login refuses to ask users who they are"),
        why=t("It does not know the address that it is to send them back to, or the client."),
        seen=(
            t("The authorization endpoint answers {status}.", status=provider.status),
            t("The client is {client}.", client=provider.client),
        ),
        fixes=(Fix(allow), ANOTHER_CLIENT),
    )
