"""A rule that logs users in: the code flow with the local provider, sessions, signed headers, and what goes wrong."""

import json
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest

from local_cloud.aws.elb.login import SIGNER
from tests.dataplane.stack import until

COOKIE, USER = "AWSELBAuthSessionCookie-0", "adam@example.com"


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
        try:
            answer = self._opener.open(urllib.request.Request(url, body, headers), timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            to, text = answer.headers.get("Location", ""), answer.read().decode()
            return SimpleNamespace(status=answer.status, to=to, text=text)

    def cookies(self):
        return {cookie.name: cookie for cookie in self.jar}

    def log_in(self, url, answer="yes"):
        """Open a page, answer the provider's form, and return where that sends the browser."""
        form = self.open(url).to
        assert self.open(form).status == 200
        return self.open(form, {"email": USER, "answer": answer}).to


class Door:
    """The running stack with a login on all paths but those that begin with /public and have no dots."""

    def __init__(self, stack):
        self.stack, self.listener = stack, stack.https()
        self.url = stack.listener("HTTPS")["url"]
        self.provider = stack.plane._provider
        self.client = self.provider.register(f"{self.url}/oauth2/idpresponse")
        self.forward = {"Type": "forward", "TargetGroupArn": stack.ids["tg"], "Order": 2}
        self.login = self.rule(100, "/*", self.actions())
        self.rule(90, "/public*", [self.forward])
        for priority, path in ((80, "/*..*"), (81, "/*//*")):
            self.rule(priority, path, self.actions())
        self.trust = self.provider.authority.trust()

    def rule(self, priority, path, actions):
        paths = [{"Field": "path-pattern", "Values": [path]}]
        where = {"ListenerArn": self.listener, "Priority": priority}
        return self.stack.rule(**where, Conditions=paths, Actions=actions)

    def actions(self, **changes):
        issuer = self.provider.issuer
        config = {
            **{"Issuer": issuer, "AuthorizationEndpoint": f"{issuer}/authorize"},
            **{"TokenEndpoint": f"{issuer}/token", "UserInfoEndpoint": f"{issuer}/userinfo"},
            **{"ClientId": self.client.client_id, "ClientSecret": self.client.client_secret},
            **{"Scope": "openid email", **changes},
        }
        login = {"AuthenticateOidcConfig": config, "Type": "authenticate-oidc", "Order": 1}
        return [login, self.forward]

    def change(self, **changes):
        self.stack.elb.modify_rule(RuleArn=self.login, Actions=self.actions(**changes))

    def browser(self):
        return Browser(self.trust)


@pytest.fixture(scope="module")
def door(running):
    return Door(running)


@pytest.fixture
def as_it_was(door):
    yield
    door.change()


def headers_of(answer):
    """What the app got, as it tells on /headers."""
    return {name.lower(): value for name, value in json.loads(answer.text)}


def test_login_happens_once_and_the_app_gets_signed_claims(door):
    browser, page, issuer = door.browser(), f"{door.url}/headers?a=b", door.provider.issuer
    begun = browser.open(page)
    asked = parse_qs(urlsplit(begun.to).query)
    assert begun.status == 302
    assert begun.to.startswith(f"{issuer}/authorize?")
    assert asked["redirect_uri"] == [f"{door.url}/oauth2/idpresponse"]
    assert (asked["response_type"], asked["scope"]) == (["code"], ["openid email"])
    ended = browser.open(browser.log_in(page))
    assert (ended.status, ended.to) == (302, page)
    cookie = browser.cookies()[COOKIE]
    assert (cookie.secure, cookie.path, USER in cookie.value) == (True, "/", False)
    answer = browser.open(page, **{"X-Amzn-Oidc-Identity": "mallory"})
    assert "mallory" not in answer.text
    got = headers_of(answer)
    assert got["x-amzn-oidc-identity"] == USER
    assert got["x-amzn-oidc-accesstoken"] in door.provider.tokens
    data = got["x-amzn-oidc-data"]
    header = jwt.get_unverified_header(data)
    assert (header["signer"], header["iss"]) == (door.stack.ids["alb"], issuer)
    assert (header["alg"], header["kid"]) == ("ES256", SIGNER.kid)
    assert data.split(".")[1].endswith("="), "ELB keeps the padding"
    claims = jwt.decode(data, SIGNER.public_key, algorithms=["ES256"])
    assert claims == {"sub": USER, "email": USER}


@pytest.mark.parametrize(
    ("path", "login"),
    [
        *(("/public/../x", True), ("/public/%2e%2E/x", True), ("/public/a%2f..%2fx", True)),
        *(("/public//x", True), ("/public/app.v2.css", False), ("/public", False)),
    ],
)
def test_login_is_not_needed_for_public_paths_without_dots(door, path, login):
    browser = door.browser()
    answer = browser.open(f"{door.url}{path}")
    assert (answer.status == 302, answer.to.startswith(door.provider.issuer)) == (login, login)
    assert (browser.cookies() == {}) is not login


@pytest.mark.usefixtures("as_it_was")
def test_session_ends_after_its_time_and_is_one_client_s(door):
    browser, page = door.browser(), f"{door.url}/"
    browser.open(browser.log_in(page))
    assert browser.open(page).status == 200
    door.change(ClientId="another")
    until(lambda: browser.open(page).status == 302, 5)
    door.change(SessionTimeout=20)
    until(lambda: browser.open(page).status == 200, 5, "the session to be that client's")
    short = door.browser()
    assert short.open(short.log_in(page)).to == page
    until(lambda: short.open(page).status == 302, 10, "the session's end, in a second")
    assert browser.open(page).status == 200


@pytest.mark.usefixtures("as_it_was")
@pytest.mark.parametrize(("behaviour", "status"), [("deny", 401), ("allow", 200)])
def test_login_that_is_not_asked_for_denies_or_lets_in(door, behaviour, status):
    door.change(OnUnauthenticatedRequest=behaviour)
    browser = door.browser()
    until(lambda: browser.open(f"{door.url}/headers").status == status, 5)
    if status == 200:
        assert "x-amzn-oidc-data" not in headers_of(browser.open(f"{door.url}/headers"))


def test_callback_needs_the_nonce_of_the_browser_that_began_and_a_state(door):
    browser = door.browser()
    back = browser.log_in(f"{door.url}/")
    assert door.browser().open(back).status == 401
    assert browser.open(f"{door.url}/oauth2/idpresponse?code=x&state=x").status == 401
    assert browser.open(back).status == 302
    assert browser.open(back).status == 561, "a code is used once"


@pytest.mark.usefixtures("as_it_was")
@pytest.mark.parametrize(
    ("changes", "answer", "status"),
    [
        ({}, "no", 401),
        ({"ClientSecret": "wrong"}, "yes", 561),
        ({"Issuer": "https://another.example.com"}, "yes", 401),
        ({"TokenEndpoint": "https://localhost:1/token"}, "yes", 500),
        ({"Scope": "email"}, "yes", 401),
    ],
    ids=["the user refuses", "secret", "issuer", "unreachable", "no ID token"],
)
def test_login_that_fails_ends_with_elb_s_status(door, changes, answer, status):
    door.change(**changes)
    browser = door.browser()

    def ended():
        return browser.open(browser.log_in(f"{door.url}/", answer)).status

    until(lambda: ended() == status, 10, f"the status {status}")
    assert COOKIE not in browser.cookies()


def test_provider_that_security_groups_hide_from_the_balancer_is_a_500(door):
    browser = door.browser()
    back = browser.log_in(f"{door.url}/")
    with door.stack.without_egress("alb-sg"):
        assert browser.open(back).status == 500


def test_provider_leads_to_no_address_that_it_does_not_know(door):
    browser = door.browser()
    begun = browser.open(f"{door.url}/").to
    refused = browser.open(begun.replace("idpresponse", "elsewhere"))
    assert (refused.status, refused.to) == (400, "")
    assert "invalid_request" in refused.text
