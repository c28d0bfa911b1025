"""The app of the tests, whose paths make it respond, wait, disconnect, use memory and crash."""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = os.environ.get("APP_VERSION", "none")
HEALTHY_PATH = os.environ.get("HEALTHY_PATH", "/health")
STATUS = int(os.environ.get("PAGE_STATUS", "200"))
active = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        print("request", self.path, flush=True)

    def handle_one_request(self):
        """Count as busy from a request's first byte on, so that an idle connection does not delay a stop."""
        self.raw_requestline = self.rfile.peek(1)
        active.append(self)
        try:
            super().handle_one_request()
        finally:
            active.remove(self)

    def answer(self, status, body, **headers):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == HEALTHY_PATH:
            self.answer(200, "ok")
        elif path in PAGES:
            PAGES[path](self)
        else:
            self.answer(404, "no")

    do_HEAD = do_GET

    def do_POST(self):
        self.answer(200, self.rfile.read(int(self.headers["Content-Length"])))

    def source(self):
        print(f'File "{__file__}", line 1', flush=True)
        self.answer(200, "said")

    def slow(self):
        time.sleep(1.5)
        self.answer(200, "slow")

    def drop(self):
        self.connection.shutdown(2)
        self.close_connection = True

    def stream(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(3):
            self.wfile.write(b"2\r\n%d\n\r\n" % number)
            self.wfile.flush()
            time.sleep(0.3)
        self.wfile.write(b"0\r\n\r\n")


PAGES = {
    "/": lambda on: on.answer(STATUS, f"{VERSION} {on.connection.getsockname()[0]}"),
    "/headers": lambda on: on.answer(200, json.dumps(list(on.headers.items()))),
    "/env": lambda on: on.answer(200, json.dumps(dict(os.environ))),
    "/error": lambda on: on.answer(500, "no"),
    "/slow": Handler.slow,
    "/source": Handler.source,
    "/hang": lambda _: time.sleep(60),
    "/drop": Handler.drop,
    "/stream": Handler.stream,
}


def finish():
    while active:
        time.sleep(0.02)
    os._exit(0)


def stop(*_):
    print("stopping", flush=True)
    threading.Thread(target=finish).start()


if __name__ == "__main__":
    if os.environ.get("CRASH"):
        print("Boom", flush=True)
        sys.exit(3)
    if not os.environ.get("PLAIN"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN if os.environ.get("STUBBORN") else stop)
    ThreadingHTTPServer.request_queue_size = 128
    place = os.environ.get("BIND_HOST", "0.0.0.0"), int(os.environ["PORT"])  # noqa: S104
    server = ThreadingHTTPServer(place, Handler)
    print("listening", flush=True)
    server.serve_forever()
