"""The notice board's page: the notices from the bucket, below the board's title."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3

HEALTHY = 200
s3 = boto3.client("s3")


def notices() -> str:
    found = s3.get_object(Bucket=os.environ["BUCKET"], Key="notices.html")
    return found["Body"].read().decode()


class Board(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/health":
            return self.answer(HEALTHY, "")
        signed = "signed" if os.environ["EDITOR_PASSWORD"] else "not signed"
        title, version = os.environ["TITLE"], os.environ["VERSION"]
        return self.answer(200, f"<h1>{title}</h1>{notices()}<p>{version}, {signed}</p>")

    def answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(os.environ["PORT"])), Board).serve_forever()
