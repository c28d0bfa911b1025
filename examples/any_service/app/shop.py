"""The shop's page: how many orders its database has."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg

KEY = os.environ["SIGNING_KEY"]


def orders() -> int:
    """Return the number of orders, after making the table where there is none."""
    with psycopg.connect(
        host=os.environ["DATABASE_HOST"],
        dbname="shop",
        user="shop",
        password=os.environ["DATABASE_PASSWORD"],
        sslmode="require",
        connect_timeout=5,
    ) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS orders (id serial PRIMARY KEY)")
        return connection.execute("SELECT count(*) FROM orders").fetchone()[0]


class Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/up":
            return self.answer(200, "up")
        try:
            return self.answer(200, f"<h1>{orders()} orders</h1>")
        except psycopg.OperationalError as problem:
            print(f"{type(problem).__name__}: {problem}", flush=True)
            return self.answer(500, "<h1>The shop is closed</h1>")

    def answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(os.environ["PORT"])), Shop).serve_forever()
