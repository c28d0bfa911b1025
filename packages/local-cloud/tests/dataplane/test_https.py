"""HTTPS: a listener that terminates TLS, the redirect that leads to it, and targets with the protocol HTTPS."""

import asyncio
import http.client
import json
import socket
import ssl
import urllib.request
from contextlib import aclosing
from urllib.parse import urlsplit

import h11
import pytest

from local_cloud.aws.elb import upstream as upstreams
from local_cloud.aws.elb.listener import lowest_tls
from local_cloud.aws.elb.targets import Target
from local_cloud.aws.elb.upstream import NoTls, Pool, Upstream, Wire
from local_cloud.machine.authority import Authority
from local_cloud.machine.namespaces import TaskAddress
from tests.dataplane.declarations import DECLARED
from tests.dataplane.stack import fetch, until

POLICY = DECLARED["https_listener"]["SslPolicy"]


def test_https_target_that_speaks_http_is_healthy_and_a_502(running):
    group = running.target_group("tls", Protocol="HTTPS", HealthCheckProtocol="HTTP")
    place = running.only_task()["containers"][0]["networkInterfaces"][0]
    targets = [{"Id": place["privateIpv4Address"], "Port": 3000}]
    running.elb.register_targets(TargetGroupArn=group, Targets=targets)
    paths = [{"Field": "path-pattern", "Values": ["/tls"]}]
    forward = [{"Type": "forward", "TargetGroupArn": group}]
    rule = running.rule(Priority=5, Conditions=paths, Actions=forward)

    def healthy() -> bool:
        found = running.elb.describe_target_health(TargetGroupArn=group)
        [health] = found["TargetHealthDescriptions"]
        return health["TargetHealth"]["State"] == "healthy"

    until(healthy)
    assert fetch(f"{running.url()}/tls")[0] == 502
    running.elb.delete_rule(RuleArn=rule)


@pytest.fixture(scope="module")
def secure(running):
    """The running stack with HTTPS, as `infra.load_balancer` declares it."""
    running.https()
    config = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    redirect = [{"Type": "redirect", "RedirectConfig": config}]
    running.elb.modify_listener(ListenerArn=running.ids["listener"], DefaultActions=redirect)
    running.elb.delete_rule(RuleArn=running.ids.pop("rule"))
    return running


def url(stack) -> str:
    return stack.listener("HTTPS")["url"]


def trusting(stack) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=stack.listener("HTTPS")["authority"])


def ask(stack, path: str = "/") -> tuple[int, str]:
    return fetch(f"{url(stack)}{path}", context=trusting(stack))


def shake(stack, context: ssl.SSLContext, name: str = "localhost"):
    """Begin a TLS session with the listener for a name; return the type of the error, or None."""
    place = urlsplit(url(stack))
    with socket.create_connection((place.hostname, place.port), 5) as raw:
        try:
            context.wrap_socket(raw, server_hostname=name).close()
        except ssl.SSLError as error:
            return type(error)
        return None


def test_https_gives_the_page_to_a_client_that_trusts_the_authority(secure):
    status, text = ask(secure, "/headers")
    got = {name.lower(): value for name, value in json.loads(text)}
    assert (status, got["x-forwarded-proto"], got["x-forwarded-port"]) == (200, "https", "443")
    assert shake(secure, trusting(secure)) is None
    assert shake(secure, ssl.create_default_context()) is ssl.SSLCertVerificationError


def test_https_by_the_load_balancer_s_name_goes_through_a_tunnel(secure):
    url(secure)
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


def test_http_listener_redirects_to_the_secure_one_by_its_port_here(secure):
    plain = secure.listener("HTTP")["url"]
    made = http.client.HTTPConnection(urlsplit(plain).netloc, timeout=10)
    made.request("GET", "/a/b?c=d")
    answer = made.getresponse()
    assert (answer.status, answer.headers["Location"]) == (301, f"{url(secure)}/a/b?c=d")
    made.close()
    with urllib.request.urlopen(plain, timeout=10, context=trusting(secure)) as answer:
        assert (answer.status, answer.url.rstrip("/")) == (200, url(secure))


def test_tls_older_than_the_policy_is_refused(secure):
    def speaks(version: ssl.TLSVersion) -> bool:
        context = trusting(secure)
        context.minimum_version = context.maximum_version = version
        return shake(secure, context) is None

    def choose(policy: str):
        secure.elb.modify_listener(ListenerArn=secure.ids["https"], SslPolicy=policy)

    assert speaks(ssl.TLSVersion.TLSv1_2)
    choose("ELBSecurityPolicy-TLS13-1-3-2021-06")
    until(lambda: not speaks(ssl.TLSVersion.TLSv1_2))
    assert speaks(ssl.TLSVersion.TLSv1_3)
    choose(POLICY)


def test_certificate_that_is_another_serves_its_names_at_the_same_port(secure, tmp_path):
    before = url(secure)
    shop = (secure, trusting(secure), "shop.example.com")
    assert shake(*shop) is ssl.SSLCertVerificationError
    certificate, key = Authority(tmp_path).issue(["shop.example.com"])
    arn = secure.acm.import_certificate(Certificate=certificate, PrivateKey=key)["CertificateArn"]
    changed = {"ListenerArn": secure.ids["https"], "Certificates": [{"CertificateArn": arn}]}
    secure.elb.modify_listener(**changed)
    until(lambda: shake(*shop) is None)
    assert (ask(secure)[0], url(secure)) == (200, before)


def test_tls_policy_has_its_lowest_version_in_its_name():
    for policy, version in (
        *(("TLS13-1-2-2021-06", "TLSv1_2"), ("TLS13-1-2-Res-2021-06", "TLSv1_2")),
        *(("TLS13-1-3-2021-06", "TLSv1_3"), ("TLS13-1-3-PQ-2025-09", "TLSv1_3")),
        ("2016-08", "TLSv1_2"),
    ):
        assert lowest_tls(f"ELBSecurityPolicy-{policy}") is ssl.TLSVersion[version]


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
        upstream = Upstream(pool, Target("group", "10.0.0.1", 3000), place, tls=True)
        try:
            return [type(event).__name__ async for event in upstream.exchange(REQUEST, body(), 5)]
        finally:
            pool.close()
            server.close()

    return asyncio.run(one())


def test_exchange_that_is_cancelled_while_its_body_ends_is_cancelled(monkeypatch):
    """The target has answered; the rest of the request, which nobody reads, takes its time to stop."""
    ours, theirs = socket.socketpair()
    ending = asyncio.Event()

    async def send(*_):
        theirs.sendall(ANSWER)
        try:
            await asyncio.sleep(60)
        finally:
            ending.set()
            await asyncio.sleep(0.05)

    async def read(events):
        async with aclosing(events):
            return [event async for event in events]

    async def one():
        wire = Wire(*await asyncio.open_connection(sock=ours), False)
        wire.http.send(REQUEST)
        upstream = Upstream(Pool(2), Target("group", "10.0.0.1", 3000), None)
        exchange = asyncio.ensure_future(read(upstream._once(None, wire, REQUEST, None, 5)))
        await ending.wait()
        exchange.cancel()
        await asyncio.wait([exchange])
        theirs.close()
        return exchange.cancelled()

    monkeypatch.setattr(upstreams, "_send", send)
    assert asyncio.run(one())


def test_certificate_of_a_target_is_not_verified(tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(b"".join(Authority(tmp_path).issue(["localhost"])))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    assert asked(context) == ["Response", "EndOfMessage"]


@pytest.mark.parametrize("answer", [ANSWER, b""], ids=["plain HTTP", "silence"])
def test_tls_session_fails_with_a_target_without_tls(answer):
    with pytest.raises(NoTls):
        asked(None, answer)
