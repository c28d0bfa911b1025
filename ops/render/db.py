"""Shows what the database has answered."""

from __future__ import annotations

from collections.abc import Iterator

from i18n import Text, t
from ops.access.asking import Answer, Checked
from ops.access.login import LOOPBACK, Login
from ops.access.tunnel import Tunnel
from ops.render.lines import Line


def checked(found: Checked, lang: str) -> Iterator[Line]:
    """The screen of a check."""
    rows: tuple[tuple[Text, str], ...] = (
        (t("Endpoint"), f"{found.endpoint}:{found.port}/{found.database}"),
        (t("Through"), found.through.to(lang)),
        (
            t("TLS"),
            t(
                "{tls}, {cipher}; certificate and name verified against {authorities}",
                tls=found.tls,
                cipher=found.cipher,
                authorities=found.authorities,
            ).to(lang),
        ),
        (t("Server"), found.version),
        (t("Connected as"), found.user),
        (
            t("Latency"),
            t(
                "{p50} ms (median of {rounds} round trips, slowest {slowest} ms; to connect {connect} ms)",
                p50=found.p50_ms,
                rounds=found.rounds,
                slowest=found.slowest_ms,
                connect=found.connect_ms,
            ).to(lang),
        ),
    )
    for name, words in rows:
        yield Line(f"{name.to(lang)}: {words}")


def facts(who: Login, tunnel: Tunnel, lang: str) -> Iterator[Line]:
    """How a client of one's own connects. The password is not among it."""
    head = t("The database answers on {place}, through {way}.", place=f"{LOOPBACK}:{tunnel.port}",
             way=tunnel.way.text)  # fmt: skip
    yield Line(head.to(lang), "bold green")
    for name, words in keywords(who, tunnel.port).items():
        yield Line(f"  {name}={words}")
    password = t("The password is in Secrets Manager; ./careapp db psql takes it from there.")
    yield Line(password.to(lang))
    yield Line(t("Ctrl-C closes it.").to(lang))


def keywords(who: Login, port: int) -> dict[str, str]:
    """libpq's parameter keywords, with which a client connects through the tunnel."""
    return {
        "host": who.host,
        "hostaddr": LOOPBACK,
        "port": str(port),
        "dbname": who.name,
        "user": who.user,
        "sslmode": "verify-full",
        "sslrootcert": str(who.authorities),
    }


def answered(found: Answer) -> Iterator[Line]:
    """Rows as a table of plain text; of a question without rows PostgreSQL's own word."""
    if not found.columns:
        yield Line(found.status)
        return
    rows = [["" if each is None else str(each) for each in row] for row in found.rows]
    widths = [
        max(len(each) for each in column) for column in zip(found.columns, *rows, strict=True)
    ]
    yield Line(_row(found.columns, widths))
    yield Line("-+-".join("-" * each for each in widths))
    for row in rows:
        yield Line(_row(row, widths))


def _row(cells: tuple[str, ...] | list[str], widths: list[int]) -> str:
    return " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
