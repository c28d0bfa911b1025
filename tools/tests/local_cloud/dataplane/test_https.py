"""HTTPS: a listener that terminates TLS, the redirect that leads to it, and targets with the protocol HTTPS."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import urllib.request
from urllib.parse import urlsplit

import h11
import pytest

from tools.local_cloud.aws import acm
from tools.local_cloud.aws.elb.listener import lowest_tls
from tools.local_cloud.aws.elb.targets import Target
from tools.local_cloud.aws.elb.upstream import NoTls, Pool, Upstream
from tools.local_cloud.machine.authority import Authority
from tools.local_cloud.machine.namespaces import TaskAddress
from tools.tests.local_cloud.dataplane.stack import fetch, until

ARN = "arn:aws:acm:ap-northeast-1:111122223333:certificate/0a"
POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"


def test_requests_are_answered_with_502_while_the_health_check_in_http_passes(cloud):
    cloud.everything(Protocol="HTTPS", HealthCheckProtocol="HTTP")
    cloud.service(cloud.task_definition())
    cloud.rolled_out()

    assert [each["TargetHealth"]["State"] for each in cloud.targets()] == ["healthy"]
    assert fetch(cloud.url())[0] == 502


@pytest.fixture(scope="module")
def secure(running):
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


def listener(stack, protocol: str):
    def ask():
        listeners = stack.plane.describe()["listeners"]
        return [each for each in listeners if each["declared"].startswith(f"{protocol}:")]

    return until(ask)[0]


def trusting(stack) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=listener(stack, "HTTPS")["authority"])


def ask(stack, path: str) -> tuple[int, str]:
    url = listener(stack, "HTTPS")["url"]
    with urllib.request.urlopen(f"{url}{path}", timeout=10, context=trusting(stack)) as answer:
        return answer.status, answer.read().decode()


def shake(stack, context: ssl.SSLContext, name: str = "localhost"):
    """Begin a TLS session with the listener for a name; return the type of the error, or None."""
    place = urlsplit(listener(stack, "HTTPS")["url"])
    with socket.create_connection((place.hostname, place.port), 5) as raw:
        try:
            context.wrap_socket(raw, server_hostname=name).close()
        except ssl.SSLError as error:
            return type(error)
        return None


def test_a_client_that_trusts_the_authority_gets_the_page(secure):
    assert ask(secure, "/")[0] == 200


def test_the_load_balancer_s_name_leads_to_the_secure_listener_by_a_tunnel(secure):
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


def test_a_client_that_does_not_is_warned(secure):
    assert shake(secure, trusting(secure)) is None
    assert shake(secure, ssl.create_default_context()) is ssl.SSLCertVerificationError


def test_the_target_gets_x_forwarded_proto_https(secure):
    got = {name.lower(): value for name, value in json.loads(ask(secure, "/headers")[1])}
    assert (got["x-forwarded-proto"], got["x-forwarded-port"]) == ("https", "443")


def test_the_plain_listener_leads_to_the_secure_one_by_its_port_here(secure):
    place = urlsplit(listener(secure, "HTTP")["url"])
    made = http.client.HTTPConnection(place.netloc, timeout=10)
    made.request("GET", "/a/b?c=d")
    answer = made.getresponse()
    assert (answer.status, answer.headers["Location"]) == (
        301,
        f"{listener(secure, 'HTTPS')['url']}/a/b?c=d",
    )
    made.close()


def test_a_browser_that_asks_by_http_ends_at_the_page(secure):
    with urllib.request.urlopen(
        listener(secure, "HTTP")["url"], timeout=10, context=trusting(secure)
    ) as answer:
        assert (answer.status, answer.url.rstrip("/")) == (200, listener(secure, "HTTPS")["url"])


def test_tls_older_than_the_policy_is_refused(secure):
    def speaks(version: ssl.TLSVersion) -> bool:
        context = trusting(secure)
        context.minimum_version = context.maximum_version = version
        return shake(secure, context) is None

    assert speaks(ssl.TLSVersion.TLSv1_2)
    secure.elb.modify_listener(
        ListenerArn=secure.ids["https"], SslPolicy="ELBSecurityPolicy-TLS13-1-3-2021-06"
    )
    until(lambda: not speaks(ssl.TLSVersion.TLSv1_2))
    assert speaks(ssl.TLSVersion.TLSv1_3)
    secure.elb.modify_listener(ListenerArn=secure.ids["https"], SslPolicy=POLICY)


def test_another_certificate_serves_its_names_at_the_same_port(secure, tmp_path):
    before = listener(secure, "HTTPS")["url"]
    shop = (secure, trusting(secure), "shop.example.com")
    assert shake(*shop) is ssl.SSLCertVerificationError
    certificate, key = Authority(tmp_path).issue(["shop.example.com"])
    arn = secure.acm.import_certificate(Certificate=certificate, PrivateKey=key)["CertificateArn"]
    secure.elb.modify_listener(
        ListenerArn=secure.ids["https"], Certificates=[{"CertificateArn": arn}]
    )
    until(lambda: shake(*shop) is None)
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
def test_a_policy_s_name_has_its_lowest_version(policy, version):
    assert lowest_tls(policy) is version


REQUEST = h11.Request(method="GET", target="/", headers=[("Host", "x")])
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


def asked(context: ssl.SSLContext | None, answer: bytes = ANSWER) -> list[str]:
    """Send a request to a target of a group with protocol HTTPS; return the types of the events."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        if await reader.read(1):
            writer.write(answer)
        await reader.read(1 << 16)
        writer.close()

    async def body():
        return
        yield

    async def one() -> list[str]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        place = TaskAddress(*server.sockets[0].getsockname(), None)
        pool = Pool(2)
        upstream = Upstream(pool, Target("group", "10.0.0.1", 3000, 0), place, tls=True)
        try:
            return [type(event).__name__ async for event in upstream.exchange(REQUEST, body(), 5)]
        finally:
            pool.close()
            server.close()

    return asyncio.run(one())


def test_a_target_s_certificate_is_not_verified(tmp_path):
    certificate, key = Authority(tmp_path).issue(["localhost"])
    both = tmp_path / "both.pem"
    both.write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)

    assert asked(context) == ["Response", "EndOfMessage"]


@pytest.mark.parametrize("answer", [ANSWER, b""], ids=["plain HTTP", "silence"])
def test_no_tls_session_comes_about_with_a_target_without_tls(answer):
    with pytest.raises(NoTls):
        asked(None, answer)
