"""The login of a listener rule: OpenID Connect's code flow, session cookies and signed headers, as ELB makes them.

Source, unless another is given: ELB user guide, "Authenticate users using an Application Load Balancer". Refresh tokens
are not used: then the session lasts until it times out, as ELB's does with a provider that has none.
"""

import asyncio
import base64
import binascii
import json
import secrets
import ssl
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from local_cloud.aws.ec2.firewall import INTERNET, allows
from local_cloud.aws.ec2.network import load_balancer_endpoints, read_map
from local_cloud.aws.elb.listener import Answer, ListenerRule, Request, View, error_answer
from local_cloud.aws.elb.rules import OIDC
from local_cloud.clock import Clock

CALLBACK = "/oauth2/idpresponse"
NONCE = "AWSALBAuthNonce"
PROVIDER_SECONDS = 5.0
"""How long the provider may take to answer (ELB user guide, access logs, AuthTokenEpRequestTimeout)."""
LOGIN_SECONDS = 15 * 60
"""How long a user may take to log in, in this machine's time."""
MOST_BYTES = 11 * 1024
"""Of claims and access token together."""
SHARD = 4000
"""Bytes of a cookie's value: browsers limit a cookie to 4 KiB."""
SIGNED_SECONDS = 120
"""How long the signed claims are valid, in this machine's time; ELB's own figure is not documented."""

Headers = list[tuple[bytes, bytes]]


class LoginFailed(Exception):
    """A login that ends with an error page."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class Session:
    """A user's session: the claims of the user info endpoint and the access token."""

    claims: Mapping[str, Any]
    token: str


class Signer:
    """Signs claims with a key whose public half applications look up by its id."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.kid = str(uuid.uuid4())

    @property
    def public_key(self) -> bytes:
        """The key as `public-keys.auth.elb.REGION.amazonaws.com/KID` returns it, in PEM."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> bytes:
        """Return the JWT (ES256). Its parts keep their padding, as ELB's do, so some libraries refuse it."""
        parts = ({"typ": "JWT", "alg": "ES256", "kid": self.kid, **header}, claims)
        signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()) for part in parts)
        pair = decode_dss_signature(self._key.sign(signed, ec.ECDSA(hashes.SHA256())))
        raw = b"".join(number.to_bytes(32, "big") for number in pair)
        return signed + b"." + base64.urlsafe_b64encode(raw)


SIGNER = Signer()
"""One for the process, as ELB has its own for the region."""


def config_of(rule: ListenerRule) -> Mapping[str, Any] | None:
    """Return the configuration of a rule's login; None for a rule without one."""
    found = (action["AuthenticateOidcConfig"] for action in rule.actions if action["Type"] == OIDC)
    return next(found, None)


class Login:
    """Logs users in. The trust of its connections to providers is ``trust``."""

    def __init__(self, clock: Clock, trust: ssl.SSLContext) -> None:
        self._clock, self._trust = clock, trust
        self._box = Fernet(Fernet.generate_key())

    async def decide(
        self, config: Mapping[str, Any], view: View, request: Request
    ) -> Answer | Headers:
        """Return the answer to a request, or the headers with which it is forwarded."""
        try:
            if request.path == CALLBACK:
                return await self._finish(config, view, request)
            session = self._session(config, request)
            if session is not None:
                return signed_headers(config, view, session)
            match config["OnUnauthenticatedRequest"]:
                case "allow":
                    return []
                case "deny":
                    return error_answer(401)
            return self._begin(config, request)
        except LoginFailed as failed:
            return error_answer(failed.status)

    def _begin(self, config: Mapping[str, Any], request: Request) -> Answer:
        """Redirect to the authorization endpoint. The state says where the user wanted to go, and until when."""
        if not request.host:
            raise LoginFailed(401)
        nonce = secrets.token_urlsafe(12)
        target = request.path + (f"?{request.query}" if request.query else "")
        state = {"to": f"https://{request.host}{target}", "nonce": nonce, "at": time.monotonic()}
        asked = {
            "client_id": config["ClientId"],
            "redirect_uri": f"https://{request.host}{CALLBACK}",
            "response_type": "code",
            "scope": config["Scope"],
            "state": self._seal(state),
            **config.get("AuthenticationRequestExtraParams", {}),
        }
        mark = "&" if urlsplit(config["AuthorizationEndpoint"]).query else "?"
        location = f"{config['AuthorizationEndpoint']}{mark}{urlencode(asked)}"
        return _redirect(location, [_cookie(NONCE, nonce)])

    async def _finish(self, config: Mapping[str, Any], view: View, request: Request) -> Answer:
        """End a login: exchange the code, read the claims, and send the user where he wanted to go."""
        given = {name: values[0] for name, values in parse_qs(request.query).items()}
        state = self._open(given.get("state", "")) or {}
        late = time.monotonic() - state.get("at", 0.0) > LOGIN_SECONDS
        if late or not state or _cookies(request).get(NONCE) != state["nonce"]:
            raise LoginFailed(401)
        if "error" in given:
            denied = given["error"] == "access_denied"
            raise LoginFailed(401 if denied else 561)
        if "code" not in given:
            raise LoginFailed(401)
        session = await self._exchange(
            config, view, f"https://{request.host}{CALLBACK}", given["code"]
        )
        return _redirect(state["to"], self._session_cookies(config, session))

    async def _exchange(
        self, config: Mapping[str, Any], view: View, redirect: str, code: str
    ) -> Session:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect}
        pair = f"{config['ClientId']}:{config['ClientSecret']}".encode()
        basic = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
        found = await self._ask(config["TokenEndpoint"], view, basic, urlencode(form).encode())
        _check_id_token(config, found.get("id_token"))
        token = str(found.get("access_token", ""))
        bearer = {"Authorization": f"Bearer {token}"}
        claims = await self._ask(config["UserInfoEndpoint"], view, bearer, None)
        if len(json.dumps(claims)) + len(token) > MOST_BYTES:
            raise LoginFailed(401)
        return Session(claims, token)

    async def _ask(
        self, url: str, view: View, headers: Mapping[str, str], body: bytes | None
    ) -> dict[str, Any]:
        """Return an endpoint's answer. Raises Failed: 561 for an error of the provider, 500 for none in time."""
        port, network = urlsplit(url).port or 443, read_map()
        nodes = load_balancer_endpoints(view.balancer)
        if not any(allows(network, node, INTERNET, port) for node in nodes):
            await self._clock.pause(PROVIDER_SECONDS)
            raise LoginFailed(500)
        asked = urllib.request.Request(url, data=body, headers=dict(headers))  # noqa: S310 - https, by rule
        try:
            found = json.loads(await asyncio.to_thread(self._open_url, asked))
        except urllib.error.HTTPError as refusal:
            refusal.close()
            raise LoginFailed(561) from None
        except OSError:
            raise LoginFailed(500) from None
        except ValueError:
            raise LoginFailed(561) from None
        if not isinstance(found, dict):
            raise LoginFailed(561)
        return found

    def _open_url(self, asked: urllib.request.Request) -> bytes:
        with urllib.request.urlopen(asked, timeout=PROVIDER_SECONDS, context=self._trust) as answer:  # noqa: S310
            body: bytes = answer.read()
            return body

    def _session_cookies(self, config: Mapping[str, Any], session: Session) -> list[str]:
        ends = self._clock.now().timestamp() + int(config["SessionTimeout"])
        held = {"for": _audience(config), "until": ends, "claims": session.claims}
        text = self._seal({**held, "token": session.token})
        name, age = config["SessionCookieName"], int(config["SessionTimeout"])
        shards = [text[at : at + SHARD] for at in range(0, len(text), SHARD)]
        return [_cookie(f"{name}-{at}", shard, age) for at, shard in enumerate(shards)]

    def _session(self, config: Mapping[str, Any], request: Request) -> Session | None:
        """Return the session of the cookies; None without one, or after its end."""
        cookies, name = _cookies(request), config["SessionCookieName"]
        shards: list[str] = []
        while (shard := cookies.get(f"{name}-{len(shards)}")) is not None:
            shards.append(shard)
        held = self._open("".join(shards))
        if not held or held.get("for") != _audience(config):
            return None
        if self._clock.now().timestamp() >= held["until"]:
            return None
        return Session(held["claims"], held["token"])

    def _seal(self, held: Mapping[str, Any]) -> str:
        return self._box.encrypt(json.dumps(held).encode()).decode()

    def _open(self, text: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self._box.decrypt(text.encode()))
        except InvalidToken:
            return None
        return found


def _audience(config: Mapping[str, Any]) -> str:
    """Return what a session is valid for: this provider and client."""
    return f"{config['Issuer']} {config['ClientId']}"


def signed_headers(config: Mapping[str, Any], view: View, session: Session) -> Headers:
    """Return the three headers with which a target learns who the user is."""
    header = {
        "iss": config["Issuer"],
        "client": config["ClientId"],
        "signer": str(view.balancer.arn),
        "exp": int(time.time()) + SIGNED_SECONDS,
    }
    return [
        (b"x-amzn-oidc-accesstoken", session.token.encode()),
        (b"x-amzn-oidc-identity", str(session.claims.get("sub", "")).encode()),
        (b"x-amzn-oidc-data", SIGNER.sign(header, session.claims)),
    ]


def _check_id_token(config: Mapping[str, Any], token: object) -> None:
    """Check issuer, audience and time of an ID token. Raises Failed.

    ELB has no address of the provider's keys: the token comes from the token endpoint over TLS, which OpenID Connect
    Core 1.0 (3.1.3.7) accepts in place of the signature.
    """
    try:
        body = str(token).split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        valid = claims["iss"] == config["Issuer"] and config["ClientId"] in audience
        valid = valid and time.time() < claims["exp"]
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        valid = False
    if not valid:
        raise LoginFailed(401)


def _cookies(request: Request) -> dict[str, str]:
    found: SimpleCookie = SimpleCookie()
    for name, value in request.headers:
        if name == "cookie":
            try:
                found.load(value)
            except CookieError:
                continue
    return {name: cookie.value for name, cookie in found.items()}


def _cookie(name: str, value: str, seconds: int | None = None) -> str:
    until = f"; Expires={formatdate(time.time() + seconds, usegmt=True)}" if seconds else ""
    return f"{name}={value}{until}; Path=/; Secure; HttpOnly"


def _redirect(location: str, cookies: list[str]) -> Answer:
    page = error_answer(302)
    more = [("Location", location), *(("Set-Cookie", cookie) for cookie in cookies)]
    return Answer(302, (*page.headers, *more), page.body)
