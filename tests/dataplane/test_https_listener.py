"""An HTTPS listener terminates TLS, and the HTTP listener redirects to it on this machine."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from rehearsal.aws import acm
from rehearsal.aws.elb.listener import lowest_tls
from rehearsal.machine.authority import Authority
from tests.dataplane.stack import until

ARN = "arn:aws:acm:ap-northeast-1:111122223333:certificate/0a"
POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"


@pytest.fixture(scope="module")
def secure(running: Any) -> Any:
    """Yield the running stack with HTTPS, as `infra.load_balancer` declares it."""
    acm.install()
    elb, ids = running.elb, running.ids
    running.allow("alb-sg", 443, cidr="0.0.0.0/0")
    ids["https"] = elb.create_listener(
        LoadBalancerArn=ids["alb"],
        Protocol="HTTPS",
        Port=443,
        SslPolicy=POLICY,
        Certificates=[{"CertificateArn": ARN}],
        DefaultActions=[{"Type": "forward", "TargetGroupArn": ids["tg"]}],
    )["Listeners"][0]["ListenerArn"]
    config = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    elb.modify_listener(
        ListenerArn=ids["listener"],
        DefaultActions=[{"Type": "redirect", "RedirectConfig": config}],
    )
    elb.delete_rule(RuleArn=ids.pop("rule"))
    return running


def listener(stack: Any, protocol: str) -> Any:
    def ask() -> Any:
        listeners = stack.plane.describe()["listeners"]
        return [each for each in listeners if each["declared"].startswith(f"{protocol}:")]

    return until(ask)[0]


def trust_variables(stack: Any) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=listener(stack, "HTTPS")["authority"])


def ask(stack: Any, path: str) -> Any:
    place = urlsplit(listener(stack, "HTTPS")["url"])
    made = http.client.HTTPSConnection(place.netloc, timeout=10, context=trust_variables(stack))
    try:
        made.request("GET", path)
        answer = made.getresponse()
        return answer.status, answer.read()
    finally:
        made.close()


def test_a_client_that_trusts_the_authority_gets_the_page(secure: Any) -> None:
    assert ask(secure, "/")[0] == 200


def test_the_load_balancer_s_name_leads_to_the_secure_listener_by_a_tunnel(secure: Any) -> None:
    listener(secure, "HTTPS")
    [balancer] = secure.elb.describe_load_balancers()["LoadBalancers"]
    proxy = urlsplit(secure.plane.shell["https_proxy"])
    trust_variables = ssl.create_default_context(cafile=secure.plane.shell["SSL_CERT_FILE"])
    with socket.create_connection((proxy.hostname, proxy.port), 5) as raw:
        raw.sendall(f"CONNECT {balancer['DNSName']}:443 HTTP/1.1\r\n\r\n".encode())
        assert raw.recv(100) == b"HTTP/1.1 200 Connection established\r\n\r\n"
        # The rehearsal's own authority issues the certificate, for names of this machine.
        with trust_variables.wrap_socket(raw, server_hostname="localhost") as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")


def test_a_client_that_does_not_is_warned(secure: Any) -> None:
    place = urlsplit(listener(secure, "HTTPS")["url"])
    stranger = ssl.create_default_context()
    with (
        socket.create_connection((place.hostname, place.port), 5) as raw,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        stranger.wrap_socket(raw, server_hostname=place.hostname)


def test_the_target_gets_x_forwarded_proto_https(secure: Any) -> None:
    got = {name.lower(): value for name, value in json.loads(ask(secure, "/headers")[1])}
    assert (got["x-forwarded-proto"], got["x-forwarded-port"]) == ("https", "443")


def test_the_plain_listener_leads_to_the_secure_one_by_its_port_here(secure: Any) -> None:
    place = urlsplit(listener(secure, "HTTP")["url"])
    made = http.client.HTTPConnection(place.netloc, timeout=10)
    made.request("GET", "/a/b?c=d")
    answer = made.getresponse()
    assert (answer.status, answer.headers["Location"]) == (
        301,
        f"{listener(secure, 'HTTPS')['url']}/a/b?c=d",
    )
    made.close()


def test_a_browser_that_asks_by_http_ends_at_the_page(secure: Any) -> None:
    with urllib.request.urlopen(
        listener(secure, "HTTP")["url"], timeout=10, context=trust_variables(secure)
    ) as answer:
        assert (answer.status, answer.url.rstrip("/")) == (200, listener(secure, "HTTPS")["url"])


def test_tls_older_than_the_policy_is_refused(secure: Any) -> None:
    place = urlsplit(listener(secure, "HTTPS")["url"])

    def speaks(version: ssl.TLSVersion) -> bool:
        context = trust_variables(secure)
        context.minimum_version = context.maximum_version = version
        with socket.create_connection((place.hostname, place.port), 5) as raw:
            try:
                context.wrap_socket(raw, server_hostname=place.hostname).close()
            except ssl.SSLError:
                return False
            return True

    assert speaks(ssl.TLSVersion.TLSv1_2)
    secure.elb.modify_listener(
        ListenerArn=secure.ids["https"], SslPolicy="ELBSecurityPolicy-TLS13-1-3-2021-06"
    )
    until(lambda: not speaks(ssl.TLSVersion.TLSv1_2))
    assert speaks(ssl.TLSVersion.TLSv1_3)
    secure.elb.modify_listener(ListenerArn=secure.ids["https"], SslPolicy=POLICY)


def test_another_certificate_serves_its_names_at_the_same_port(secure: Any, tmp_path: Path) -> None:
    before = listener(secure, "HTTPS")["url"]
    place = urlsplit(before)

    def serves_the_shop() -> bool:
        with socket.create_connection((place.hostname, place.port), 5) as raw:
            try:
                trust_variables(secure).wrap_socket(raw, server_hostname="shop.example.com").close()
            except ssl.SSLCertVerificationError:
                return False
            return True

    assert not serves_the_shop()
    certificate, key = Authority(tmp_path).issue(["shop.example.com"])
    arn = secure.acm.import_certificate(Certificate=certificate, PrivateKey=key)["CertificateArn"]
    secure.elb.modify_listener(
        ListenerArn=secure.ids["https"], Certificates=[{"CertificateArn": arn}]
    )
    until(serves_the_shop)
    assert ask(secure, "/")[0] == 200
    assert listener(secure, "HTTPS")["url"] == before


@pytest.mark.parametrize(
    ("policy", "version"),
    [
        ("ELBSecurityPolicy-TLS13-1-2-2021-06", ssl.TLSVersion.TLSv1_2),
        ("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", ssl.TLSVersion.TLSv1_2),
        ("ELBSecurityPolicy-TLS13-1-3-2021-06", ssl.TLSVersion.TLSv1_3),
        ("ELBSecurityPolicy-TLS13-1-3-PQ-2025-09", ssl.TLSVersion.TLSv1_3),
        ("ELBSecurityPolicy-2016-08", ssl.TLSVersion.TLSv1_2),
    ],
)
def test_a_policy_s_name_has_its_lowest_version(policy: str, version: ssl.TLSVersion) -> None:
    assert lowest_tls(policy) is version
