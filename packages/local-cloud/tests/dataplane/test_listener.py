"""The load balancer's listener, request by request, in front of one running task."""

import http.client
import json
import re
import socket
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from urllib.parse import urlsplit

from local_cloud.aws.elb.balancer import FRESH_SECONDS
from tests.dataplane.stack import changed

BODY = bytes(range(256)) * 4096


def connection(stack, timeout: float = 10) -> "closing[http.client.HTTPConnection]":
    place = urlsplit(stack.url()).netloc
    return closing(http.client.HTTPConnection(place, timeout=timeout))


def ask(stack, method: str, path: str, body=None, timeout: float = 10, **headers: str):
    """Return status, headers and body of a request; write a header with ``_`` for ``-``."""
    with connection(stack, timeout) as made:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        made.request(method, path, body=body, headers=names)
        answer = made.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


def received(stack, **options) -> dict[str, str]:
    body = ask(stack, "GET", "/headers", **options)[2]
    return {name.lower(): value for name, value in json.loads(body)}


def rule(stack, path: str, **action) -> AbstractContextManager[None]:
    """Add a rule for a path for a while."""
    paths, made = [{"Field": "path-pattern", "Values": [path]}], []
    return changed(
        lambda: made.append(stack.rule(Priority=5, Conditions=paths, Actions=[action])),
        lambda: stack.elb.delete_rule(RuleArn=made.pop()),
    )


def test_headers_of_the_target_are_forwarded_ones_and_the_client_s_host(running):
    got = received(running, Host="shop.example", X_Forwarded_For="198.51.100.7")
    trace = got.pop("x-amzn-trace-id")
    assert got == {
        "host": "shop.example",
        "accept-encoding": "identity",
        "x-forwarded-for": "198.51.100.7, 127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-port": "80",
    }
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", trace)


def test_client_gets_in_by_a_rule_for_its_address(running):
    """Without an address of its own it counts as one that a rule lets in."""
    stack, balancer = running, running.plane._balancer
    listed = {"PrefixListName": "clients", "MaxEntries": 1, "AddressFamily": "IPv4"}
    made = stack.ec2.create_managed_prefix_list(**listed, Entries=[{"Cidr": "203.0.113.10/32"}])
    by_list = {"prefixes": made["PrefixList"]["PrefixListId"]}

    def seen(client):
        """Return the address that the app sees of a client, or "" where the balancer does not answer."""
        balancer._client = client
        time.sleep(2 * FRESH_SECONDS)
        [listener] = stack.plane.describe()["listeners"]
        try:
            found = received(stack, timeout=10 if listener["open"] else 0.3)["x-forwarded-for"]
        except TimeoutError:
            found = ""
        assert listener["open"] is bool(found)
        return found

    stack.forbid("alb-sg", 80, cidr="0.0.0.0/0")
    try:
        assert [seen(address) for address in ("", "198.51.100.7")] == ["", ""]
        stack.allow("alb-sg", 80, cidr="10.0.0.0/8")
        assert seen("") == "", "a host on the internet has no private address"
        stack.allow("alb-sg", 80, cidr="198.51.100.0/24")
        allowed = ["198.51.100.7", "203.0.113.10", ""]
        assert [seen(address) for address in allowed] == ["198.51.100.7", "", "127.0.0.1"]
        stack.allow("alb-sg", 80, **by_list)
        assert [seen(each) for each in allowed] == ["198.51.100.7", "203.0.113.10", "127.0.0.1"]
        stack.forbid("alb-sg", 80, cidr="198.51.100.0/24")
        assert [seen(address) for address in allowed] == ["", "203.0.113.10", "127.0.0.1"]
        stack.forbid("alb-sg", 80, **by_list)
    finally:
        balancer._client = ""
        stack.forbid("alb-sg", 80, cidr="10.0.0.0/8")
        stack.allow("alb-sg", 80, cidr="0.0.0.0/0")
        time.sleep(2 * FRESH_SECONDS)


def by_name(stack, url: str, body: bytes | None = None):
    """Return what a client gets that uses the variables of the local cloud's shell."""
    proxies = {name: stack.plane.shell[f"{name}_proxy"] for name in ("http", "https")}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    try:
        with opener.open(url, data=body, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.status, refused.read()


def test_balancer_s_name_leads_to_its_listener_and_others_to_their_hosts(running):
    running.url()
    [balancer] = running.elb.describe_load_balancers()["LoadBalancers"]
    name = balancer["DNSName"]
    status, body = by_name(running, f"http://{name}/headers?a=b")
    assert (status, ["Host", name] in json.loads(body)) == (200, True)
    assert by_name(running, f"http://{name}/echo", BODY) == (200, BODY)
    assert by_name(running, f"{running.url()}/health")[0] == 200
    assert by_name(running, "http://no-such-name.invalid/")[0] == 502


def test_connection_of_a_client_serves_requests_with_and_without_bodies(running):
    with connection(running) as made:
        made.connect()
        number = made.sock.getsockname()[1]
        for method, path, sent, body in (
            *(("POST", "/echo", BODY, BODY), ("HEAD", "/health", None, b"")),
            ("GET", "/health", None, b"ok"),
        ):
            made.request(method, path, sent)
            answer = made.getresponse()
            length = str(len(body or b"ok"))
            assert (answer.status, answer.headers["Content-Length"]) == (200, length)
            assert answer.read() == body
        assert made.sock.getsockname()[1] == number


def test_response_is_streamed_while_the_target_still_writes_it(running):
    with connection(running) as made:
        made.request("GET", "/stream")
        answer, began = made.getresponse(), time.monotonic()
        first = answer.read(2)
        early = time.monotonic() - began
        rest = answer.read()
        late = time.monotonic() - began
    assert (first, rest) == (b"0\n", b"1\n2\n")
    assert early < 0.25 < 0.5 < late


def test_rules_go_by_priority_and_the_default_comes_last(running):
    page = {"StatusCode": "418", "ContentType": "text/html", "MessageBody": "<b>tea</b>"}
    with rule(running, "/fixed*", Type="fixed-response", FixedResponseConfig=page):
        status, headers, body = ask(running, "GET", "/fixed/one")
    headers.pop("Date")
    kind, server = {"Content-Type": "text/html; charset=utf-8"}, {"Server": "awselb/2.0"}
    assert headers == {**server, **kind, "Content-Length": "10"}
    assert (status, body) == (418, b"<b>tea</b>")
    assert ask(running, "GET", "/fixed/one")[0] == 404


def test_group_without_targets_is_a_503_in_an_alb_s_own_page(running):
    empty = running.target_group("empty")
    with rule(running, "/empty", Type="forward", TargetGroupArn=empty):
        status, headers, body = ask(running, "GET", "/empty")
    assert (status, headers["Server"], headers["Content-Type"]) == (503, "awselb/2.0", "text/html")
    assert body == (
        b"<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n"
        b"<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n</body>\r\n</html>\r\n"
    )


def test_target_that_hangs_up_without_a_response_is_a_502(running):
    status, headers, _ = ask(running, "GET", "/drop")
    assert (status, headers["Server"]) == (502, "awselb/2.0")


def attribute(stack, key: str, value: str, after: str) -> AbstractContextManager[None]:
    """Set an attribute of the load balancer for a while. The listener reads it every 0.1 s."""

    def declare(chosen: str):
        change = {
            "LoadBalancerArn": stack.ids["alb"],
            "Attributes": [{"Key": key, "Value": chosen}],
        }
        stack.elb.modify_load_balancer_attributes(**change)
        time.sleep(1.5 * FRESH_SECONDS)

    return changed(lambda: declare(value), lambda: declare(after))


def test_target_slower_than_the_idle_timeout_is_a_504(running):
    with attribute(running, "idle_timeout.timeout_seconds", "1", after="60"):
        began = time.monotonic()
        status = ask(running, "GET", "/hang")[0]
        assert (status, time.monotonic() - began < 4) == (504, True)


def test_request_that_is_invalid_is_a_400_and_closes_the_connection(running):
    place = urlsplit(running.url())
    with socket.create_connection((place.hostname, place.port), 5) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n")
        got = b""
        while data := raw.recv(4096):
            got += data
    assert got.startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_header_names_that_are_invalid_are_dropped_where_declared(running):
    def kept() -> set[str]:
        with connection(running) as made:
            made.request("GET", "/headers", headers={"X_Under": "1", "X-Dash": "2"})
            return {"X_Under", "X-Dash"} & {name for name, _ in json.load(made.getresponse())}

    assert kept() == {"X_Under", "X-Dash"}
    with attribute(running, "routing.http.drop_invalid_header_fields.enabled", "true", "false"):
        assert kept() == {"X-Dash"}


def test_clients_that_ask_at_once_all_get_their_answers(running):
    def one(number: int) -> tuple[int, bool]:
        word = f"n{number}".encode() * 50
        status, _, body = ask(running, "POST", "/echo", word)
        return status, body == word

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(one, range(200))) == {(200, True)}
