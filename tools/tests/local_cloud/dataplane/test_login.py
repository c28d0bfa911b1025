"""A rule that logs users in: the code flow with the local provider, sessions, signed headers, and what goes wrong."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest

from tools.local_cloud.aws import acm
from tools.local_cloud.aws.elb import rules
from tools.local_cloud.aws.elb.login import SIGNER
from tools.tests.local_cloud.dataplane.stack import until

ARN = "arn:aws:acm:ap-northeast-1:111122223333:certificate/0a"
COOKIE, NONCE = "AWSELBAuthSessionCookie-0", "AWSALBAuthNonce"
USER = "adam@example.com"
EVERYWHERE = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]


class Browser:
    """Keeps cookies, and follows no redirect by itself."""

    def __init__(self, trust):
        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_):
                return None

        self.jar = CookieJar()
        tls = urllib.request.HTTPSHandler(context=trust)
        jar = urllib.request.HTTPCookieProcessor(self.jar)
        self._opener = urllib.request.build_opener(tls, jar, Stay())

    def open(self, url, form=None, **headers):
        """Return status, Location and text."""
        body = urlencode(form).encode() if form else None
        asked = urllib.request.Request(url, body, headers)
        try:
            with self._opener.open(asked, timeout=20) as answer:
                return SimpleNamespace(status=answer.status, to="", text=answer.read().decode())
        except urllib.error.HTTPError as answer:
            with answer:
                to = answer.headers.get("Location", "")
                return SimpleNamespace(status=answer.code, to=to, text=answer.read().decode())

    def cookies(self):
        return {each.name: each for each in self.jar}

    def log_in(self, url, answer="yes"):
        """Open a page, answer the provider's form, and return where that sends the browser."""
        form = self.open(url).to
        assert self.open(form).status == 200
        return self.open(form, {"email": USER, "answer": answer}).to


@pytest.fixture(scope="module")
def door(running):
    """The running stack with a login on all paths but those that begin with /public and have no dots."""
    acm.install()
    rules.install()
    elb, ids = running.elb, running.ids
    running.allow("alb-sg", 443, cidr="0.0.0.0/0")
    forward = {"Type": "forward", "TargetGroupArn": ids["tg"], "Order": 2}
    listener = elb.create_listener(
        LoadBalancerArn=ids["alb"],
        Protocol="HTTPS",
        Port=443,
        Certificates=[{"CertificateArn": ARN}],
        DefaultActions=[forward],
    )["Listeners"][0]["ListenerArn"]

    def ask():
        found = running.plane.describe()["listeners"]
        return [each for each in found if each["arn"] == listener]

    at = until(ask)[0]
    provider = running.plane._provider
    client = provider.register(f"{at['url']}/oauth2/idpresponse")

    def actions(**changes):
        config = {
            "Issuer": provider.issuer,
            "AuthorizationEndpoint": f"{provider.issuer}/authorize",
            "TokenEndpoint": f"{provider.issuer}/token",
            "UserInfoEndpoint": f"{provider.issuer}/userinfo",
            "ClientId": client.client_id,
            "ClientSecret": client.client_secret,
            "Scope": "openid email",
        }
        login = {"AuthenticateOidcConfig": config | changes, "Type": "authenticate-oidc"}
        return [{**login, "Order": 1}, forward]

    def rule(priority, path, actions):
        paths = [{"Field": "path-pattern", "Values": [path]}]
        asked = {"ListenerArn": listener, "Priority": priority, "Conditions": paths}
        return elb.create_rule(**asked, Actions=actions)["Rules"][0]["RuleArn"]

    made = rule(100, "/*", actions())
    rule(90, "/public*", [forward])
    for priority, path in ((80, "/*..*"), (81, "/*//*")):
        rule(priority, path, actions())
    context = provider.authority.trust()
    return SimpleNamespace(
        url=at["url"],
        provider=provider,
        stack=running,
        browser=lambda: Browser(context),
        change=lambda **changes: elb.modify_rule(RuleArn=made, Actions=actions(**changes)),
    )


@pytest.fixture
def as_it_was(door):
    """Put the rule back after a test that changes it."""
    yield
    door.change()


def headers_of(answer):
    """What the app got, as it tells on /headers."""
    return {name.lower(): value for name, value in json.loads(answer.text)}


def test_a_user_logs_in_once_and_the_app_gets_signed_claims(door):
    browser = door.browser()
    page = f"{door.url}/headers?a=b"
    begun = browser.open(page)
    asked = parse_qs(urlsplit(begun.to).query)
    assert begun.status == 302
    assert begun.to.startswith(f"{door.provider.issuer}/authorize?")
    assert (asked["redirect_uri"], asked["response_type"], asked["scope"]) == (
        [f"{door.url}/oauth2/idpresponse"],
        ["code"],
        ["openid email"],
    )
    back = browser.log_in(page)
    ended = browser.open(back)
    assert (ended.status, ended.to) == (302, page)
    cookie = browser.cookies()[COOKIE]
    assert (cookie.secure, cookie.path, USER in cookie.value) == (True, "/", False)
    answer = browser.open(page, **{"X-Amzn-Oidc-Identity": "mallory"})
    assert "mallory" not in answer.text
    got = headers_of(answer)
    assert got["x-amzn-oidc-identity"] == USER
    assert got["x-amzn-oidc-accesstoken"] in door.provider.tokens
    header = jwt.get_unverified_header(got["x-amzn-oidc-data"])
    assert header["signer"] == door.stack.ids["alb"]
    assert (header["alg"], header["kid"], header["iss"]) == (
        *("ES256", SIGNER.kid),
        door.provider.issuer,
    )
    assert got["x-amzn-oidc-data"].split(".")[1].endswith("="), "ELB keeps the padding"
    claims = jwt.decode(got["x-amzn-oidc-data"], SIGNER.public_key, algorithms=["ES256"])
    assert claims == {"sub": USER, "email": USER}


@pytest.mark.parametrize(
    "path", ["/public/../x", "/public/%2e%2E/x", "/public/a%2f..%2fx", "/public//x"]
)
def test_a_path_with_dots_below_a_public_one_needs_the_login(door, path):
    answer = door.browser().open(f"{door.url}{path}")
    assert (answer.status, answer.to.startswith(door.provider.issuer)) == (302, True)
    assert door.browser().open(f"{door.url}/public/app.v2.css").status != 302


def test_a_public_path_needs_no_login_and_its_headers_are_the_client_s_own(door):
    browser = door.browser()
    assert browser.open(f"{door.url}/public").status != 302
    assert browser.cookies() == {}


@pytest.mark.usefixtures("as_it_was")
def test_a_session_ends_after_its_time_and_is_one_client_s(door):
    browser = door.browser()
    browser.open(browser.log_in(f"{door.url}/"))
    assert browser.open(f"{door.url}/").status == 200
    door.change(ClientId="another")
    until(lambda: browser.open(f"{door.url}/").status == 302, 5)
    door.change(SessionTimeout=20)
    until(lambda: browser.open(f"{door.url}/").status == 200, 5, "the session to be that client's")
    short = door.browser()
    assert short.open(short.log_in(f"{door.url}/")).to == f"{door.url}/"
    until(lambda: short.open(f"{door.url}/").status == 302, 10, "the session's end, in a second")
    assert browser.open(f"{door.url}/").status == 200


@pytest.mark.usefixtures("as_it_was")
@pytest.mark.parametrize(("behaviour", "status"), [("deny", 401), ("allow", 200)])
def test_whom_nobody_knows_is_denied_or_let_in(door, behaviour, status):
    door.change(OnUnauthenticatedRequest=behaviour)
    browser = door.browser()
    until(lambda: browser.open(f"{door.url}/headers").status == status, 5)
    if status == 200:
        assert "x-amzn-oidc-data" not in headers_of(browser.open(f"{door.url}/headers"))


def test_a_callback_needs_the_nonce_of_the_browser_that_began_and_a_state(door):
    browser = door.browser()
    back = browser.log_in(f"{door.url}/")
    assert door.browser().open(back).status == 401
    assert browser.open(f"{door.url}/oauth2/idpresponse?code=x&state=x").status == 401
    assert browser.open(back).status == 302
    assert browser.open(back).status == 561, "a code is used once"


def test_a_user_who_refuses_is_not_let_in(door):
    browser = door.browser()
    assert browser.open(browser.log_in(f"{door.url}/", answer="no")).status == 401


@pytest.mark.usefixtures("as_it_was")
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"ClientSecret": "wrong"}, 561),
        ({"Issuer": "https://another.example.com"}, 401),
        ({"TokenEndpoint": "https://localhost:1/token"}, 500),
        ({"Scope": "email"}, 401),
    ],
    ids=["secret", "issuer", "unreachable", "no ID token"],
)
def test_a_login_that_cannot_end_says_so_with_elb_s_status(door, changes, status):
    door.change(**changes)
    browser = door.browser()

    def ended():
        return browser.open(browser.log_in(f"{door.url}/")).status

    until(lambda: ended() == status, 10, f"the status {status}")
    assert COOKIE not in browser.cookies()


def test_a_provider_that_security_groups_keep_the_load_balancer_from_is_not_reached(door):
    ec2, group = door.stack.ec2, door.stack.ids["alb-sg"]
    browser = door.browser()
    back = browser.log_in(f"{door.url}/")
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=EVERYWHERE)
    try:
        assert browser.open(back).status == 500
    finally:
        ec2.authorize_security_group_egress(GroupId=group, IpPermissions=EVERYWHERE)


def test_an_address_that_the_provider_does_not_know_is_never_led_to(door):
    browser = door.browser()
    begun = browser.open(f"{door.url}/").to
    refused = browser.open(begun.replace("idpresponse", "elsewhere"))
    assert (refused.status, refused.to) == (400, "")
    assert "invalid_request" in refused.text
