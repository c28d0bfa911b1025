"""The page is asked for through the load balancer's own address, as a visitor does it."""

import gzip
import json
import socket
import ssl
import subprocess
import sys
import threading
import zlib
from dataclasses import fields, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from careapp.additions.target import WEBAPP, target_of
from ecs_gate.aws import local_cloud
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.parts import page
from local_cloud.machine.authority import Authority
from tests import said
from tests import stacks as a

SILENCE, HANGS_UP = 0, 1
DOMAIN = "app.example.com"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Answering(BaseHTTPRequestHandler):
    """Answers each request with the next of its server's answers, the last one for ever."""

    def do_GET(self):
        server = self.server
        if self.path == WEBAPP.database_path:
            server.probes += 1
            return self.say(server.database)
        server.asked.append((self.path, self.headers["Host"]))
        if made := server.pages.get(self.path):
            return made(self)
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        if answer == SILENCE:
            return server.released.wait(60)
        return None if answer == HANGS_UP else self.say(answer)

    def say(self, status, length=0, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *_):
        pass


class Balancer(ThreadingHTTPServer):
    """A load balancer whose page answers as a test says."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answering)
        self.answers, self.database, self.asked, self.pages = [200], 404, [], {}
        self.probes = 0
        self.released = threading.Event()

    def handle_error(self, *_):
        """A visitor who hangs up is no error of a test's."""

    @property
    def there(self):
        return self.of("HTTP")

    def of(self, protocol):
        """It as the snapshot shows it."""
        made = a.entrance(protocol=protocol, port=self.server_port, arn="arn:listener")
        return replace(made, dns="127.0.0.1")


@pytest.fixture
def server(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv(local_cloud.FACTS, raising=False)
    monkeypatch.setattr(page, "PAUSE", 0)
    server = Balancer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


def ask(server, balancer=None, before=None, **settings):
    """What the page answers where the program's pageUrl names the server's port."""
    url = f"http://127.0.0.1:{server.server_port}" if balancer is None else ""
    return page.page(balancer or server.there, target_of(a.choices(**settings), url), before=before)


def problem(balancer, **settings):
    [listener] = balancer.listeners
    usual = {"HTTP": 80, "HTTPS": 443}[listener.protocol] == listener.port
    url = "" if usual else f"http://{balancer.dns}:{listener.port}"
    with pytest.raises(AwsProblem) as refused:
        page.page(balancer, target_of(a.choices(**settings), url))
    assert refused.value.kind == "unreachable"
    return str(refused.value.text)


def to(place, status=302, **headers):
    return lambda answering: answering.say(status, Location=place, **headers)


def answer(status):
    return lambda answering: answering.say(status)


def html(body, **headers):
    def made(answering):
        answering.say(200, length=len(body), Content_Type="text/html", **headers)
        answering.wfile.write(body)

    return made


LOGIN = {
    "loginIssuer": "https://login.example.com",
    "loginClientId": "c",
    "loginSecretArn": "arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:careapp-poc/login-AbCdEf",
    "domainName": DOMAIN,
    "hostedZoneId": "Z0123456789ABC",
}
ASKS = f"https://localhost/authorize?client_id=c&redirect_uri=https://{DOMAIN}/oauth2/idpresponse"


def once(answering):
    """Redirects to itself for its cookie."""
    if answering.headers["Cookie"] == "seen=1":
        return answering.say(200)
    return answering.say(302, Location="/", Set_Cookie="seen=1")


def hops(status, last):
    return {"/": to("/a", status), "/a": to("/b?c=1", status), "/b?c=1": answer(last)}


def script(text):
    return html(f"<script src={text}></script>".encode())


ENCODED = {
    "gzip": ("gzip", gzip.compress(b"<p>", mtime=0)),
    "deflate": ("deflate", zlib.compress(b"<p>")),
    "gzip, plain": ("gzip", b"<h1>plain text</h1>"),
    "deflate, plain": ("deflate", b"<h1>plain text</h1>"),
    "gzip, twice": ("gzip, gzip", gzip.compress(gzip.compress(b"<p>", mtime=0), mtime=0)),
    "deflate without zlib's header": ("deflate", zlib.compress(b"<p>", wbits=-15)),
    "gzip that ends early": ("gzip", gzip.compress(b"<p>" * 99, mtime=0)[:-9]),
    "gzip without its checksum": ("gzip", gzip.compress(b"<p>", mtime=0)[:-8]),
    "deflate that ends early": ("deflate", zlib.compress(b"<p>" * 99)[:-5]),
    "br, plain": ("br", b"<p>"),
    "br, empty": ("br", b""),
    "a name that no browser knows": ("utf-8", b"<p>"),
    "gzip, deflated": ("gzip", zlib.compress(b"<p>")),
}
LEFT_OUT = ("data:text/css," + "a" * 70_000, "http://[", "http://a:b/", "javascript:void(0)", "")
BASE = b"<base href=/deep/><script src=a.js></script><script src=../b.js></script>"
SEEN = {
    **{
        f"answers {answers} by {matcher or 'the usual one'}": (answers, {"smokeMatcher": matcher} if matcher else {})
        for matcher, several in {
            "": ([200], [302], [404], [400], [401], [500, 502, 200], [404, 200], [500, 500, 503, 200], [HANGS_UP]),
            "200-299,401": ([401], [403]), "403": ([403],), "204": ([200],),
        }.items()
        for answers in several
    },
    **{f"{status}, followed": (hops(status, 200), {}) for status in (301, 302, 303, 307, 308)},
    **{f"followed to a {status}": (hops(302, status), {}) for status in (404, 500)},
    "to itself for ever": ({"/": to("/", 301)}, {"smokeMatcher": "200-399"}),
    "to itself for its cookie": ({"/": once}, {}),
    # Even where no user could open the place, as that of a provider of this machine.
    "asks to log in": ({"/": to(ASKS)}, LOGIN),
    "asks to log in by another client": ({"/": to(ASKS.replace("client_id=c", "client_id=d"))}, LOGIN),
    "asks to log in, and back to another path": ({"/": to(ASKS.replace("idpresponse", "elsewhere"))}, LOGIN),
    "asks to log in on a public path": ({"/": to(ASKS)}, LOGIN | {"publicPaths": "/"}),
    "asks to log in without a login": ({"/": to(ASKS)}, {}),
    **{
        f"to {place}": ({"/": to(place)}, {})
        for place in (
            "https://login.example.com/authorize?client_id=x", "https://8.8.8.8/", "http://localhost:3000/",
            "http://10.0.16.4:3000/", "http://[::1]/", "ftp://127.0.0.1/", "https://127.0.0.1/", "http://127.0.0.1:8443/",
        )
    },
    "redirects, and breaks off": ({"/": to("/a", length=9), "/a": answer(200)}, {}),
    "breaks off": ({"/": lambda answering: answering.say(200, length=9)}, {}),
    **{f"encoded: {name}": ({"/": html(body, Content_Encoding=kind)}, {}) for name, (kind, body) in ENCODED.items()},
    "links relative to the base": ({"/": to("/home/"), "/home/": html(BASE)}, {}),
    "links relative to the last redirect": ({"/": to("/home/"), "/home/": script("c.js")}, {}),
    **{
        f"a link that no server answers: {link[:20]}": (
            {"/": html(f'<link rel=stylesheet href="{link}">'.encode())}, {})
        for link in LEFT_OUT
    },
    "what the parser does not know": ({"/": html(b"<script src=/a.js></script><p>a <![ b</p>")}, {}),
    "another path": ([200], {"smokePath": "/shop?page=1"}),
    "no path": ([200], {"smokePath": ""}),
}  # fmt: skip


def seen(server, answers, settings):
    """What is seen of a page, and which paths were asked for."""
    server.answers = [200] if isinstance(answers, dict) else [*answers]
    server.pages = answers if isinstance(answers, dict) else {}
    server.asked.clear()
    page = ask(server, **settings)
    known = {field.name: field.default for field in fields(page)} if page else {}
    lines = [
        f"{name}: {getattr(page, name)}"
        for name in known
        if getattr(page, name) not in (known[name], {})
    ]
    lines += [name for name in ("fails", "followed") if getattr(page, name, False)]
    assert {host for _, host in server.asked} <= {f"127.0.0.1:{server.server_port}"}
    asked = f"asked: {' '.join(path for path, _ in server.asked)}"
    return {
        "page": ["; ".join(lines).replace(str(server.server_port), "PORT")],
        "asked": [asked],
    }


def test_pages_are_seen_as_recorded(server):
    found = {name: seen(server, *each) for name, each in SEEN.items()}
    said.check_paragraphs(Path(__file__).with_name("pages.txt"), found)
    again = seen(server, {"/": once}, {})
    assert again["asked"] == ["asked: / /"], "a cookie of the visit before was sent"


def test_the_port_of_page_url_is_asked_and_no_other(server):
    found = page.page(server.there, target_of(a.choices()))
    assert found.url == "http://127.0.0.1/"
    assert (found.status, found.fails, server.asked) == (0, True, [])
    assert found.problem == "the load balancer has no listener on port 80"


UNENDED = "its body does not end within 0.3 s"


def test_an_answer_that_stalls_cannot_be_read(server, monkeypatch):
    monkeypatch.setattr(page, "ANSWER_SECONDS", 0.3)
    stall = server.released.wait
    server.pages = {"/": lambda answering: (answering.say(200, length=9), stall(60))}
    found = ask(server)
    assert (found.status, found.fails, found.problem) == (200, True, UNENDED)


def test_the_request_accepts_only_encodings_that_it_decodes(server):
    given = []
    server.pages = {"/": lambda answering: (given.append(answering.headers), answering.say(200))}
    ask(server)
    assert (given[0]["Accept-Encoding"], given[0]["Accept"][:9]) == ("gzip, deflate", "text/html")


@pytest.mark.parametrize(("header", "own"), [("awselb/2.0", True), ("gunicorn", False)])
def test_an_answer_of_the_load_balancer_itself_is_known_by_its_header(
    server, monkeypatch, header, own
):
    monkeypatch.setattr(Answering, "version_string", lambda _: header)
    server.answers = [403]
    assert (ask(server).status, ask(server).by_balancer) == (403, own)


def test_a_stream_without_end_is_read_to_a_limit(server, monkeypatch):
    def stream(pause):
        def answer(answering):
            answering.send_response(200)
            answering.end_headers()
            while not server.released.wait(pause):
                answering.wfile.write(b"x" * (1 << 16 if not pause else 1))

        return answer

    server.pages = {"/": stream(0), "/slow": stream(0.05)}
    assert (ask(server).status, ask(server).fails) == (200, False)
    monkeypatch.setattr(page, "ANSWER_SECONDS", 0.3)
    found = ask(server, smokePath="/slow")
    assert (found.status, found.fails, found.problem) == (200, True, UNENDED)


CSS, JS = "/static/app.css", "/static/app.js?v=1"
LINKS = f"""<head><link rel="stylesheet" href="{CSS}#top"><link rel=icon href=/favicon.ico>
<script src="{JS}"></script><script>let a = "<script src=/no.js>"</script><!-- <script src=/no.js></script> -->
<script src="https://cdn.example.com/x.js"></script><script src="{JS}"></script></head>""".encode()


def test_assets_of_the_page_s_own_host_are_loaded_once(server):
    cookies = []

    def css(answering):
        cookies.append((answering.headers["Cookie"], answering.headers["X-Test"]))
        answering.say(200)

    server.pages = {"/": html(LINKS, Set_Cookie="seen=1"), CSS: css, JS: answer(404)}
    url = f"http://127.0.0.1:{server.server_port}"
    found = page.page(server.there, target_of(a.choices(), url), {"X-Test": "new"})
    assert found.assets == {CSS: 200, JS: 404}
    assert ([path for path, _ in server.asked], cookies) == (["/", CSS, JS], [("seen=1", "new")])
    assert (found.failing_assets, found.lost_assets, found.fails) == ({JS: 404}, {}, False)


def test_an_asset_fails_the_page_only_where_it_answered_before(server):
    server.pages = {"/": html(LINKS), CSS: answer(200), JS: answer(404)}
    before = ask(server)
    server.pages |= {CSS: answer(404)}
    found = ask(server, before=before)
    assert (found.tries, found.fails, found.missing) == (3, True, False)
    assert found.lost_assets == {CSS: 404}
    server.pages |= {"/": html(b"<p>")}
    assert ask(server, before=before).fails is False


def test_an_empty_page_fails_only_where_it_was_not_before(server):
    server.pages = {"/": html(b"Hello")}
    full = ask(server)
    server.pages = {}
    empty = ask(server)
    assert (full.fails, empty.fails) == (False, False)
    assert (ask(server, before=full).fails, ask(server, before=empty).fails) == (True, False)


def test_assets_are_limited_in_number_and_time(server, monkeypatch):
    many = "".join(f"<script src=/{number}.js></script>" for number in range(20))
    server.pages = {"/": html(many.encode())}
    assert len(ask(server).assets) == page.MOST_ASSETS
    monkeypatch.setattr(page, "ANSWER_SECONDS", 0.3)
    server.pages |= {"/0.js": lambda _: server.released.wait(60)}
    assert ask(server).assets == {"/0.js": 0}


LOADED = """
import sys
import careapp.update.hooks
preview = {"ecs_gate.rollout.gate", "ecs_gate.parts.gather"} & set(sys.modules)
import careapp.update.before_service, careapp.update.services
checks = ("ecs_gate.checks", "ecs_gate.diagnosis.case", "ecs_gate.doctor", "careapp.additions.checks")
update = [each for each in sys.modules if each.startswith(checks)]
import careapp.watch.status
sys.exit(str([*preview, *update]) if preview or update else "httpx" in sys.modules)
"""


def test_a_preview_loads_no_gate_an_update_no_check_and_the_http_client_is_for_a_page():
    """The client takes 0.2 s, the checks 0.1 s: the doctor loads them when it is asked."""
    done = subprocess.run([sys.executable, "-c", LOADED], check=False, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


def test_silence_is_asked_once_and_the_database_not_at_all(server, monkeypatch):
    monkeypatch.setattr(page, "ANSWER_SECONDS", 0.2)
    server.answers = [SILENCE]
    found = ask(server)
    assert (found.status, found.tries, found.fails) == (0, 1, True)
    assert (found.problem, found.database) == ("timed out after 0.2 s", None)


def test_a_refused_connection_says_nothing_about_the_page(server):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        [listener] = server.there.listeners
        other = replace(listener, port=closed.getsockname()[1])
        told = problem(replace(server.there, listeners=(other,)))
    assert told.endswith("/ cannot be reached from here: Connection refused.")


def test_a_proxy_is_not_asked_for_it_would_answer_in_the_page_s_place(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert "a proxy is set in the environment, and NO_PROXY does not name it" in problem(
        server.there
    )
    assert server.asked == []
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert ask(server).status == 200


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def secure(server, authority, tmp_path, monkeypatch):
    """Serves HTTPS with a certificate for a name, and is what a local cloud's facts lead to."""

    def serve(name, trusted=True, is_open=True):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.certify(context, [name])
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        trust = {"authority": str(authority.path)} if trusted else {}
        url = f"https://127.0.0.1:{server.server_port}"
        listeners = [{"arn": "arn:listener", "url": url, "open": is_open, **trust}]
        (tmp_path / "cloud.json").write_text(json.dumps({"state": {"listeners": listeners}}))
        monkeypatch.setenv(local_cloud.FACTS, str(tmp_path / "cloud.json"))
        [listener] = server.of("HTTPS").listeners
        declared = replace(listener, port=443)
        return a.balancer(dns="careapp-poc-alb.invalid", listeners=(declared,))

    return serve


def test_with_a_domain_the_load_balancer_itself_is_asked_by_that_name(server, secure):
    found = ask(server, secure(DOMAIN), domainName=DOMAIN, hostedZoneId="Z1")
    assert (found.status, server.asked) == (200, [("/", DOMAIN)])


def test_a_certificate_for_another_name_is_no_answer(server, secure):
    found = ask(server, secure("other.example.com"), domainName=DOMAIN, hostedZoneId="Z1")
    assert (found.status, found.tries) == (0, 3)
    assert "Hostname mismatch" in found.problem


def test_an_issuer_that_is_not_known_here_says_nothing_about_the_page(secure):
    assert "cannot be reached from here" in problem(
        secure(DOMAIN, trusted=False), domainName=DOMAIN, hostedZoneId="Z1"
    )


def test_with_a_certificate_of_ones_own_the_name_is_not_verified(server, secure):
    found = ask(
        server,
        secure("other.example.com"),
        certificateArn="arn:aws:acm:ap-northeast-1:123456789012:certificate/0a",
    )
    assert (found.status, server.asked) == (200, [("/", "careapp-poc-alb.invalid")])


def test_listener_that_the_local_cloud_lacks_says_nothing(server, monkeypatch, tmp_path):
    monkeypatch.setenv(local_cloud.FACTS, str(tmp_path / "none.json"))
    assert "the local cloud does not listen for it" in problem(server.there)


OUTSIDE = "Allowed are 198.51.100.0/24: this machine may be outside."


def test_a_machine_that_may_be_outside_of_the_allowed_networks_is_told_so(secure, monkeypatch):
    own = {"certificateArn": "arn:aws:acm:ap-northeast-1:123456789012:certificate/0a"}
    some = {**own, "allowedCidrs": "198.51.100.0/24"}
    closed = secure("other.example.com", is_open=False)
    assert "outside" not in problem(closed, **own)
    words = problem(closed, **some)
    assert words.endswith(f"cannot be reached from here: timed out. {OUTSIDE}")
    monkeypatch.delenv(local_cloud.FACTS)

    def drops(address, *_, **__):
        socket.getaddrinfo(*address)
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", drops)
    aws = replace(closed, dns="127.0.0.1")
    assert problem(aws, **some).endswith(f": timed out. {OUTSIDE}")
    nameless = replace(closed, dns="x.invalid")
    assert "outside" not in problem(nameless, **some)
