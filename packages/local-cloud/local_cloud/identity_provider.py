"""An OpenID Connect provider on loopback, at which users of the local cloud log in: Authlib's server on Flask.

A client registers by its redirect addresses (RFC 7591). A user is who writes an e-mail address: nobody has a password.
"""

from __future__ import annotations

import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from local_cloud.machine.authority import Authority
from local_cloud.machine.sockets import LOOPBACK

if TYPE_CHECKING:
    from flask import Flask
    from joserfc.jwk import RSAKey

NAME = "localhost"
DISCOVERY = "/.well-known/openid-configuration"
SCOPES = ("openid", "email", "profile")
CODE_SECONDS = 60
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px system-ui;max-width:24rem;margin:4rem auto;padding:0 1rem}}</style>
<h1>{title}</h1>{body}</html>"""
FORM = """<p>{client} asks who you are. Nobody has a password here.</p>
<form method="post"><p><label>E-mail address <input name="email" type="email" required autofocus></label></p>
<p><button name="answer" value="yes">Log in</button>
<button name="answer" value="no" formnovalidate>Refuse</button></p></form>"""


@dataclass(frozen=True, kw_only=True)
class RegisteredClient:
    """A registered client, in the form that Authlib asks for (ClientMixin)."""

    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...]

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uris[0]

    def get_allowed_scope(self, scope: str | None) -> str:
        return " ".join(name for name in (scope or "").split() if name in SCOPES)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(client_secret, self.client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return endpoint != "token" or method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A code or an access token: whose it is, and until when (AuthorizationCodeMixin, TokenMixin)."""

    client_id: str
    user: str
    scope: str
    redirect_uri: str = ""
    nonce: str | None = None
    until: float = 0.0

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> None:
        return None

    get_acr = get_amr = get_auth_time


def claims(user: str, scope: str) -> dict[str, str]:
    """Return what the scope lets a client know of a user."""
    known = {"openid": {"sub": user}, "email": {"email": user}}
    known["profile"] = {"name": user.partition("@")[0]}
    return {name: claim for part in scope.split() for name, claim in known.get(part, {}).items()}


@dataclass(eq=False)
class IdentityProvider:
    """The provider's server. It loads Flask and Authlib with the first request."""

    authority: Authority
    clients: dict[str, RegisteredClient] = field(default_factory=dict)
    codes: dict[str, Grant] = field(default_factory=dict)
    tokens: dict[str, Grant] = field(default_factory=dict)
    issuer: str = ""
    _server: BaseWSGIServer | None = None
    _app: Flask | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        server = make_server(
            LOOPBACK, 0, self._answer, threaded=True, request_handler=Quiet, ssl_context=self._tls()
        )
        self._server, self.issuer = server, f"https://{NAME}:{server.port}"
        threading.Thread(
            target=server.serve_forever, args=(0.1,), name="identity-provider", daemon=True
        ).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def register(self, *redirect_uris: str) -> RegisteredClient:
        """Register a client that may be sent back to these addresses."""
        made = RegisteredClient(
            client_id=secrets.token_hex(8),
            client_secret=secrets.token_urlsafe(24),
            redirect_uris=redirect_uris,
        )
        self.clients[made.client_id] = made
        return made

    def _tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.certify(context, [NAME, LOOPBACK])
        return context

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        with self._lock:
            self._app = self._app or make_app(self)
        return self._app(environ, start)


class Quiet(WSGIRequestHandler):
    """Writes no line for a request: its address has the code of a login."""

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


def make_app(provider: IdentityProvider) -> Flask:
    from flask import Flask, jsonify, request
    from joserfc.jwk import RSAKey

    key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(8)})
    app = Flask(__name__)

    @app.get(DISCOVERY)
    def discovery() -> Any:
        at = provider.issuer
        return {
            "issuer": at,
            "authorization_endpoint": f"{at}/authorize",
            "token_endpoint": f"{at}/token",
            "userinfo_endpoint": f"{at}/userinfo",
            "jwks_uri": f"{at}/jwks.json",
            "registration_endpoint": f"{at}/register",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": SCOPES,
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }

    @app.get("/jwks.json")
    def jwks() -> Any:
        return {"keys": [key.as_dict(private=False)]}

    @app.post("/register")
    def register() -> Any:
        given = (request.get_json(silent=True) or {}).get("redirect_uris")
        if not isinstance(given, list) or not all(isinstance(uri, str) for uri in given):
            return jsonify(error="invalid_redirect_uri"), 400
        return jsonify(vars(provider.register(*given))), 201

    @app.get("/userinfo")
    def userinfo() -> Any:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        found = provider.tokens.get(bearer)
        if found is None or time.time() > found.until:
            return jsonify(error="invalid_token"), 401
        return claims(found.user, found.scope)

    add_code_flow(app, provider, key)
    return app


def add_code_flow(app: Flask, provider: IdentityProvider, key: RSAKey) -> None:
    """Add the authorization endpoint with its form, and the token endpoint."""
    from authlib.integrations.flask_oauth2 import AuthorizationServer
    from authlib.oauth2 import OAuth2Error
    from flask import Response, request

    def save_token(token: dict[str, Any], asked: Any) -> None:
        provider.tokens[token["access_token"]] = Grant(
            client_id=asked.client.client_id,
            user=asked.user,
            scope=token["scope"],
            until=time.time() + token["expires_in"],
        )

    server = AuthorizationServer(app, provider.clients.get, save_token)
    server.register_grant(code_grant(provider), [id_tokens(provider, key)])

    @app.route("/authorize", methods=["GET", "POST"])
    def authorize() -> Any:
        try:
            grant = server.get_consent_grant(end_user=None)
        except OAuth2Error as error:
            if error.redirect_uri:
                return server.handle_error_response(server.create_oauth2_request(None), error)
            # An unknown client or address must not be sent anything (RFC 6749, 4.1.2.1).
            text = f"<p>{escape(error.error)}: {escape(error.description or '')}</p>"
            return Response(PAGE.format(title="This login cannot begin", body=text), 400)
        if request.method == "GET":
            body = FORM.format(client=escape(grant.client.client_id))
            return PAGE.format(title="Log in", body=body)
        said = request.form.get("email", "") if request.form.get("answer") == "yes" else ""
        return server.create_authorization_response(grant_user=said or None, grant=grant)

    @app.post("/token")
    def token() -> Any:
        return server.create_token_response()


def code_grant(provider: IdentityProvider) -> type:
    """Return Authlib's authorization code grant, with the provider's codes."""
    from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant

    class Code(AuthorizationCodeGrant):  # type: ignore[misc]
        def save_authorization_code(self, code: str, request: Any) -> None:
            provider.codes[code] = Grant(
                client_id=request.client.client_id,
                user=request.user,
                scope=request.scope,
                redirect_uri=request.payload.redirect_uri,
                nonce=request.payload.data.get("nonce"),
                until=time.time() + CODE_SECONDS,
            )

        def query_authorization_code(self, code: str, client: RegisteredClient) -> Grant | None:
            found = provider.codes.pop(code, None)  # A code is used once.
            mine = found is not None and found.client_id == client.client_id
            return found if found and mine and time.time() < found.until else None

        def delete_authorization_code(self, _: Grant) -> None:
            pass

        def authenticate_user(self, code: Grant) -> str:
            return code.user

    return Code


def id_tokens(provider: IdentityProvider, key: RSAKey) -> Any:
    """Return Authlib's extension that adds an ID token where the scope has `openid`."""
    from authlib.oidc.core import OpenIDCode

    class IdTokens(OpenIDCode):  # type: ignore[misc]
        def exists_nonce(self, _nonce: str, _request: Any) -> bool:
            return False

        def resolve_client_private_key(self, _client: RegisteredClient) -> Any:
            return key

        def get_encode_header(self, _client: RegisteredClient) -> dict[str, str]:
            return {"alg": "RS256", "kid": str(key.kid)}

        def get_client_claims(self, client: RegisteredClient) -> dict[str, Any]:
            return {"iss": provider.issuer, "aud": [client.client_id]}

        def generate_user_info(self, user: str, scope: str) -> dict[str, str]:
            return claims(user, scope)

    return IdTokens()
