"""The user whom the load balancer has logged in, by the claims that it signs (docs/your-app.md)."""

import logging
import os
import time
import urllib.request
import uuid
from functools import lru_cache

import jwt
from flask import Flask, request

HEADER = "x-amzn-oidc-data"
SECONDS = 3

log = logging.getLogger(__name__)


def init_app(app: Flask, load_balancer: str | None) -> None:
    """Pass the user to every template; ``load_balancer`` is the ARN of the only one that is believed."""
    app.context_processor(lambda: {"user": user(load_balancer)})


def user(load_balancer: str | None) -> str | None:
    """Return the user's e-mail address, or his subject; None without claims that this load balancer has signed.

    Whoever reaches the task can send such a header, and where no rule logs users in, the load balancer passes it on.
    """
    token = request.headers.get(HEADER)
    if not token or not load_balancer:
        return None
    try:
        header = jwt.get_unverified_header(token)
        if header.get("signer") != load_balancer or header.get("exp", 0) < time.time():
            raise jwt.InvalidTokenError("of another load balancer, or expired")
        key = public_key(load_balancer.split(":")[3], str(uuid.UUID(header["kid"])))
        claims = jwt.decode(token, key, algorithms=["ES256"])
    except (jwt.InvalidTokenError, OSError, KeyError, TypeError, ValueError) as problem:
        log.warning("the header %s is not believed: %s", HEADER, type(problem).__name__)
        return None
    return str(claims.get("email") or claims.get("sub") or "") or None


@lru_cache(maxsize=8)
def public_key(region: str, kid: str) -> bytes:
    """Return a load balancer's public key, in PEM (ELB user guide, "User claims encoding"). Raises OSError."""
    local = os.environ.get("AWS_ENDPOINT_URL", "")
    if not local.startswith(("http://127.", "http://169.254.")):
        local = ""  # It is no local cloud's, and has no such keys.
    base = f"https://public-keys.auth.elb.{region}.amazonaws.com"
    url = f"{local}/public-keys.auth.elb/{kid}" if local else f"{base}/{kid}"
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 - one of the two above
        found: bytes = answer.read()
        return found
