"""The commands of `./careapp db`: check, psql and tunnel."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg

from careapp.additions.target import session_of
from careapp.command_line import FAILED, print_json
from careapp.database import queries
from careapp.database.queries import LOOPBACK, Login, QueryResult
from careapp.database.tunnel import JumpHost, Tunnel, find, open_tunnel
from careapp.settings import file
from ecs_gate.aws.session import Session
from ecs_gate.checks import network_path
from ecs_gate.diagnosis.reachability import Side
from ecs_gate.parts import vpc
from ecs_gate.parts.rds import Database
from ecs_gate.screen import Line, display
from ecs_gate.text import Refused, t, verbatim
from ecs_gate.text.masking import mask
from local_cloud.machine.signals import run_in_front, terminations_raise


def checked(result: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the output of `db check`."""
    for name, text in (
        (t("Endpoint"), verbatim("{endpoint}:{port}/{database}".format(**result))),
        (t("Through"), verbatim(result["through"])),
        (
            t("TLS"),
            t("{tls}, {cipher}; certificate and name verified against {authorities}", **result),
        ),
        (t("Server"), verbatim(result["version"])),
        (t("Connected as"), verbatim(result["user"])),
        (
            t("Latency"),
            t(
                "{p50} ms (median of {rounds} round trips, slowest {slowest} ms; to connect {connect} ms)",
                **{name.removesuffix("_ms"): value for name, value in result.items()},
            ),
        ),
    ):
        yield Line(f"{name!s}: {text!s}")


def facts(who: Login, tunnel: Tunnel) -> Iterator[Line]:
    """Yield the connection parameters for another client, without the password."""
    head = t("The database is reachable at {address}, through {host}.", address=f"{LOOPBACK}:{tunnel.port}",
             host=tunnel.jump_host.text)  # fmt: skip
    yield Line(head, "bold green")
    for name, text in shown_parameters(who, tunnel.port).items():
        yield Line(f"  {name}={text}")
    password = t("The password is in Secrets Manager; ./careapp db psql reads it there.")
    yield Line(password)
    yield Line(t("Ctrl-C closes the tunnel."))


def shown_parameters(who: Login, port: int) -> dict[str, str]:
    """Return libpq's parameters for a connection through the tunnel, without the password."""
    hidden = ("password", "connect_timeout", "application_name")
    return {name: text for name, text in who.parameters(port).items() if name not in hidden}


def answered(result: QueryResult) -> Iterator[Line]:
    """Yield rows as a table, nothing of them masked; for a statement without rows PostgreSQL's status."""
    if not result.columns:
        yield Line(result.status)
        return
    rows = [["" if value is None else str(value) for value in row] for row in result.rows]
    widths = [
        max(len(value) for value in column) for column in zip(result.columns, *rows, strict=True)
    ]
    yield Line(_row(result.columns, widths), whole=True)
    yield Line("-+-".join("-" * width for width in widths))
    for row in rows:
        yield Line(_row(row, widths), whole=True)


def _row(cells: tuple[str, ...] | list[str], widths: list[int]) -> str:
    return " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def silent(session: Session, jump_host: JumpHost, database: Database, message: str) -> Refused:
    """Return the reason why the database does not answer: a missing rule where one is missing. Raises AwsProblem."""
    network = vpc.network(session, jump_host.vpc)
    source = Side.of(network, jump_host.subnets, jump_host.groups)
    target = Side.of(network, database.subnets, database.groups)
    lacking = network_path.lacking(network, source, target, database.port)
    if not lacking:
        return Refused(
            "The connection to the database through {host} failed: {said}; ./careapp doctor "
            "checks the rest.",
            host=jump_host.text,
            said=" ".join(message.split()),
        )
    rule, command = next(iter(lacking.items()))
    return Refused(
        "The database is not reachable from {host}: {rule} Allow it with `{command}`, or restore "
        "the declared rules with `pulumi up --refresh`.",
        host=jump_host.text,
        rule=rule,
        command=session.place.complete(command),
    )


LOOK_SECONDS = 0.5


@contextmanager
def _open(stack: str, port: int = 0) -> Iterator[tuple[Login, Tunnel]]:
    """Open the tunnel and read the login. A connection that fails is reported with its reason."""
    session = session_of(file.read(stack))
    names = file.names_of(stack)
    database = queries.database(session, names)
    jump_host = find(session, names)
    who = queries.login(session, database)
    # A SIGTERM or SIGHUP ends the plugin too, which is in a process group of its own.
    with terminations_raise(), open_tunnel(session, jump_host, database, port) as tunnel:
        try:
            yield who, tunnel
        except queries.NoConnection as silence:
            raise silent(session, jump_host, database, str(silence)) from None


def check(stack: str, as_json: bool, rounds: int) -> int:
    """Connect, print version, TLS and latency, and return the exit code."""
    with _open(stack) as (who, tunnel):
        result = queries.check(who, tunnel, rounds)
    if as_json:
        print_json(result)
    else:
        display(checked(result))
    return 0


def psql(stack: str, question: str | None, arguments: list[str]) -> int:
    """Run psql and return its exit code. Without psql a single statement still runs."""
    program = shutil.which("psql")
    if program is None and (question is None or arguments):
        raise Refused(
            "psql is not on PATH: install the PostgreSQL client, or run a single "
            'statement without it: ./careapp db psql -c "SELECT 1".'
        )
    with _open(stack) as (who, tunnel):
        if program is None:
            return _asked(who, tunnel, question or "")
        statement = [] if question is None else ["-c", question]
        return _run([program, *statement, *arguments], who, tunnel)


def _asked(who: Login, tunnel: Tunnel, question: str) -> int:
    try:
        with queries.connected(who, tunnel) as connection:
            result = queries.answer(connection, question)
    except psycopg.Error as error:
        print(f"careapp: {mask(str(error).strip())}", file=sys.stderr)
        return FAILED
    display(answered(result))
    return 0


def _run(command: list[str], who: Login, tunnel: Tunnel) -> int:
    """Run a libpq client, which gets login and password by its environment."""
    # One connection first: psql itself could not say which rule keeps it out.
    queries.connected(who, tunnel).close()
    # In psql a Ctrl-C ends a question, not the session.
    return run_in_front(command, {**os.environ, **who.variables(tunnel.port)})


def keep_tunnel_open(stack: str, port: int, as_json: bool) -> int:
    """Keep a tunnel open until Ctrl-C; return 1 when Session Manager closes it."""
    with _open(stack, port) as (who, tunnel):
        # Said only of a tunnel that leads somewhere.
        queries.connected(who, tunnel).close()
        if as_json:
            print(json.dumps(shown_parameters(who, tunnel.port)), flush=True)
        else:
            display(facts(who, tunnel))
        _until_interrupt(lambda: tunnel.alive)
    return 0


def _until_interrupt(alive: Callable[[], bool]) -> None:
    try:
        while alive():
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        return
    raise Refused(
        "Session Manager has closed the tunnel, as it does after 20 idle minutes; open it again."
    )
