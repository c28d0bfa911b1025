"""What the provider of the login says to the load balancer's client: may it send users back, is its secret right?"""

import base64
import http.client
import json
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.facts.elb import CALLBACK_PATH
from ecs_gate.facts.secrets import secret_arn, secret_key
from ecs_gate.parts.elb import Oidc
from ecs_gate.text import t

SECONDS = 10
CLIENT_SECRET_FILE = "secret.txt"  # noqa: S105 - its name
"""The file from which the fix stores a secret: no command may have it in its arguments."""
NO_CODE = "no-such-code-ecs-gate"
"""A code that no provider has issued: with the right secret it is the code that is refused (RFC 6749, 5.2)."""


class NoSecret(ValueError):
    """The secret has no text, or lacks the key that the setting names."""


def client_secret(session: Session, value_from: str) -> str:
    """Return the secret, or the value of the key that ``value_from`` names. Raises AwsProblem and NoSecret."""
    secret = session.call(
        "secretsmanager", "get_secret_value", SecretId=secret_arn(value_from)
    ).get("SecretString", "")
    key = secret_key(value_from)
    if key:
        try:
            secret = json.loads(secret)[key]
        except (ValueError, TypeError, KeyError):
            raise NoSecret(t("it is no JSON object with the key {key}", key=key)) from None
    if not secret or not isinstance(secret, str):
        raise NoSecret(t("it has no text"))
    return secret


@dataclass(frozen=True, kw_only=True)
class Provider:
    """The provider's answers; ``callback`` is where it must send users back to.

    ``status`` is that of the authorization endpoint for the load balancer's request, and ``error`` the token
    endpoint's for a code that does not exist; "" where the secret could not be read here.
    """

    callback: str
    client: str
    status: int
    error: str = ""


def read_document(issuer: str) -> None:
    """Read the provider's discovery document, as the program does. Raises AwsProblem where that cannot succeed."""
    url = f"{issuer.removesuffix('/')}/.well-known/openid-configuration"
    status, document = _ask(url, follow=True)
    other = _content(document).get("issuer")
    if status != 200 or other != issuer:
        why = t("its issuer is {other!r}", other=str(other)) if status == 200 else f"HTTP {status}"
        text = t("{url} cannot be used: {why}.", url=url, why=why)
        if status >= 500:
            raise AwsProblem("unreachable", text, t("Try again in a minute."))
        raise AwsProblem("refused", text, t("Correct the issuer."))


def provider(session: Session, oidc: Oidc, secret: str, url: str) -> Provider:
    """Ask the provider as the load balancer does. ``url`` is the page's, ``secret`` the client's.

    Raises AwsProblem where it cannot be reached from here.
    """
    callback = url.rstrip("/") + CALLBACK_PATH
    parameters = {"client_id": oidc.client, "redirect_uri": callback, "response_type": "code"}
    mark = "&" if "?" in oidc.authorization else "?"
    begin = f"{oidc.authorization}{mark}{urlencode({**parameters, 'scope': oidc.scope, 'state': 'doctor'})}"
    status, _ = _ask(begin)
    return Provider(
        callback=callback,
        client=oidc.client,
        status=status,
        error=_refusal(session, oidc, secret, callback),
    )


def _refusal(session: Session, oidc: Oidc, secret: str, callback: str) -> str:
    """Return the token endpoint's error, or "" where whoever asks may not read the secret."""
    if not secret:
        return ""
    try:
        known = client_secret(session, secret)
    except (AwsProblem, NoSecret):
        return ""
    form = {"grant_type": "authorization_code", "code": NO_CODE, "redirect_uri": callback}
    pair = f"{quote(oidc.client, safe='')}:{quote(known, safe='')}".encode()
    basic = _error(oidc.token, form, base64.b64encode(pair).decode())
    # A provider may take the secret in the body alone (RFC 6749, 2.3.1).
    body = {"client_id": oidc.client, "client_secret": known}
    return _error(oidc.token, {**form, **body}) if basic == "invalid_client" else basic


def _error(url: str, form: dict[str, str], basic: str = "") -> str:
    _, text = _ask(url, urlencode(form), basic)
    return str(_content(text).get("error", ""))


def _content(text: str) -> dict[str, Any]:
    """Return a JSON object; {} for another text."""
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: one is the provider's answer."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _ask(
    url: str, form: str | None = None, basic: str = "", *, follow: bool = False
) -> tuple[int, str]:
    headers = {
        "User-Agent": "ecs-gate",
        **({"Authorization": f"Basic {basic}"} if basic else {}),
    }
    request = urllib.request.Request(url, form.encode() if form else None, headers)  # noqa: S310 - https, by ELB
    try:
        opener = urllib.request.build_opener(*(() if follow else (_Stay,)))
        with opener.open(request, timeout=SECONDS) as answer:
            return answer.status, answer.read(1 << 20).decode(errors="replace")
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read(1 << 16).decode(errors="replace")
    except (OSError, http.client.HTTPException, ValueError) as problem:
        where, why = url.partition("?")[0], str(problem)
        text = t("{url} cannot be reached from here: {why}.", url=where, why=why)
        way_out = t("Run the command where it can be reached.")
        reason = getattr(problem, "reason", problem)
        # A wrong name stays wrong; where no DNS server answers (EAI_AGAIN), one may the next time.
        wrong = isinstance(reason, UnicodeError) or getattr(reason, "errno", 0) == socket.EAI_NONAME
        raise AwsProblem("refused" if wrong else "unreachable", text, way_out) from None
