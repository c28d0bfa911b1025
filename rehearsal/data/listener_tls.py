"""TLS of an HTTPS listener: what is declared, met with a certificate of the rehearsal's own."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rehearsal.control import hooks
from rehearsal.data.authority import Authority

LOCAL_NAMES = ("localhost", "127.0.0.1")


class Declared(NamedTuple):
    """What a listener's socket is made by; everything else is read at each request."""

    protocol: str
    port: int
    certificate: str | None
    policy: str | None

    @property
    def place(self) -> tuple[str, int]:
        """The protocol and port that clients on AWS would use."""
        return self.protocol, self.port


def read() -> dict[str, Declared]:
    """Every declared listener of HTTP or HTTPS, by ARN."""
    with hooks.LOCK:
        return {
            str(listener.arn): Declared(
                str(listener.protocol),
                int(listener.port),
                listener.certificate,
                listener.ssl_policy,
            )
            for balancer in hooks.backend("elbv2").load_balancers.values()
            for listener in balancer.listeners.values()
            if listener.protocol in ("HTTP", "HTTPS")
        }


def secure(
    context: ssl.SSLContext, declared: Declared, names: Sequence[str], authority: Authority
) -> None:
    """Have new connections meet a certificate for ``names`` and this machine, and the declared policy."""
    context.minimum_version = lowest(declared.policy or "")
    certificate, key = authority.issue([*names, *LOCAL_NAMES])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "listener.pem"
        path.touch(mode=0o600)
        path.write_bytes(certificate + key)
        context.load_cert_chain(path)


def lowest(policy: str) -> ssl.TLSVersion:
    """The lowest version of TLS that a policy allows, but none below 1.2, which OpenSSL lacks by now.

    The number after ``TLS13`` in a policy's name says it (ELB user guide, "Security policies").
    """
    only = policy.startswith("ELBSecurityPolicy-TLS13-1-3")
    return ssl.TLSVersion.TLSv1_3 if only else ssl.TLSVersion.TLSv1_2
