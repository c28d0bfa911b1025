"""Counts the rows of a database by table and finds the newest one, for a comparison of two databases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from tools.database import queries
from tools.database.queries import Login, QueryResult
from tools.database.tunnel import Tunnel
from tools.i18n import Text, t
from tools.screen import Line, zoned_time

QUESTION_MINUTES = 5
"""After so long PostgreSQL ends a statement: a count reads the whole table."""

TABLES = """
SELECT n.nspname, c.relname, (
  SELECT a.attname FROM pg_attribute a
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = 'timestamptz'::regtype
  ORDER BY a.attnum LIMIT 1)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'
ORDER BY 1, 2
"""
"""Every table, and its first column with a time, which is taken as the time of its rows."""


@dataclass(frozen=True)
class Table:
    """The number of rows, and the newest time in its first column with times."""

    rows: int
    newest: datetime | None = None


Contents = Mapping[str, Table]


def read(who: Login, tunnel: Tunnel) -> Contents:
    """Return the tables of a database by name, all of one moment. Raises NoConnection and psycopg.Error."""
    with _reading(who, tunnel) as connection:
        return {
            name if schema == "public" else f"{schema}.{name}": _table(
                connection, sql.Identifier(schema, name), column
            )
            for schema, name, column in connection.execute(TABLES).fetchall()
        }


def _table(connection: psycopg.Connection[Any], name: sql.Identifier, column: str | None) -> Table:
    newest: sql.Composable = sql.SQL("NULL")
    if column:
        newest = sql.SQL("max({})").format(sql.Identifier(column))
    question = sql.SQL("SELECT count(*), {} FROM {}").format(newest, name)
    row = connection.execute(question).fetchone()
    return Table(*row) if row else Table(0)


def ask(who: Login, tunnel: Tunnel, question: str) -> QueryResult:
    """Run one statement that changes nothing. Raises NoConnection, and psycopg.Error for what PostgreSQL refuses."""
    with _reading(who, tunnel) as connection:
        return queries.answer(connection, question)


def _reading(who: Login, tunnel: Tunnel) -> psycopg.Connection[Any]:
    """Return a connection that sees one moment and can change nothing. Raises NoConnection."""
    connection = queries.connected(who, tunnel, autocommit=False)
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.execute(f"SET statement_timeout = '{QUESTION_MINUTES}min'")
    return connection


def comparison(restored: Contents, original: Contents) -> Iterator[Line]:
    """Yield a row for each table of either database, and the newest row of each database."""
    names = sorted({*restored, *original})
    heads = (str(t("table")), str(t("restored")), str(t("now")), str(t("difference")))
    cells = [(name, *_counts(restored.get(name), original.get(name))) for name in names]
    widths = [max(len(row[index]) for row in (heads, *cells)) for index in range(len(heads))]
    yield Line(_line(heads, widths), "bold")
    for row in cells:
        yield Line(_line(row, widths), "" if row[3] == "0" else "yellow")
    for title, contents in ((t("restored"), restored), (t("now"), original)):
        yield Line(t("Newest row, {title}: {newest}", title=title, newest=_newest(contents)))


def _counts(restored: Table | None, original: Table | None) -> tuple[str, str, str]:
    absent = str(t("no such table"))
    left = absent if restored is None else str(restored.rows)
    right = absent if original is None else str(original.rows)
    both = restored is not None and original is not None
    difference = (restored.rows if restored else 0) - (original.rows if original else 0)
    return left, right, f"{difference:+d}" if difference else "0" if both else "-"


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    first, *others = cells
    numbers = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
    return "  ".join([first.ljust(widths[0]), *numbers])


def _newest(contents: Contents) -> Text:
    times = [(table.newest, name) for name, table in contents.items() if table.newest is not None]
    if not times:
        return t("no row with a time")
    moment, name = max(times)
    return t("{moment} in {table}", moment=zoned_time(moment), table=name)
