"""Reads the values of a service's secrets, so that what its app writes is shown without them."""

import sys
import threading
import time
from collections.abc import Collection, Iterable

from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.facts.secrets import is_parameter, secret_arn, secret_key
from ecs_gate.parts import ecs
from ecs_gate.parts.records import read_part
from ecs_gate.target import Names
from ecs_gate.text import t
from ecs_gate.text.masking import VALUES
from ecs_gate.text.secret_values import values

SECONDS = 60.0
"""How long values count as the current ones, in seconds of this machine: RDS rotates its own every week."""

PATTERNS_ALONE = t("Patterns alone mask its value.")

_LOCK = threading.Lock()
_READ: dict[tuple[str, ...], tuple[float, AwsProblem | None]] = {}
"""When each service's secrets were read, and why one could not be."""
_SAID: set[str] = set()


def learn(
    session: Session, names: Names, *others: str, public: Collection[str] = ()
) -> AwsProblem | None:
    """Mask the values of the service's secrets from now on: the newest task definition's, and those of ``others``.

    ``public`` are words that are no secret, whatever a secret holds. Call it before text of the app is shown, however
    often: it asks AWS once a minute. Return why a value could not be read, and is masked by patterns alone.
    """
    with _LOCK:
        key = (names.cluster, names.service, names.family, *others)
        at, problem = _READ.get(key, (-SECONDS, None))
        if time.monotonic() - at >= SECONDS:
            problem = _read(session, names, others, public)
            _READ[key] = (time.monotonic(), problem)
    return problem


def learn_aloud(session: Session, names: Names, *others: str, public: Collection[str] = ()) -> None:
    """Like `learn`; print on standard error, once, why a value is masked by patterns alone."""
    problem = learn(session, names, *others, public=public)
    if problem is None or problem.kind in ("credentials", "expired"):
        return  # Without credentials the command itself says so, and shows nothing.
    if (text := problem.as_text()) not in _SAID:
        _SAID.add(text)
        print(text, file=sys.stderr)


def _read(
    session: Session, names: Names, others: Iterable[str], known: Collection[str]
) -> AwsProblem | None:
    definition = read_part(ecs.definition, session, names.family, names.container)
    wanted, public = [("", other) for other in others if other], {*known}
    if definition.value:
        wanted += definition.value.secrets.items()
        public |= set(definition.value.environment.values())
    by_arn: dict[str, list[tuple[str, str]]] = {}
    for name, value_from in wanted:
        by_arn.setdefault(secret_arn(value_from), []).append((name, secret_key(value_from)))
    problem = definition.problem
    for arn, parts in by_arn.items():
        secret = read_part(_text, session, arn)
        problem, text = problem or secret.problem, secret.value or ""
        VALUES.add({found for name, key in parts for found in values(name, text, key)} - public)
    return problem and AwsProblem(problem.kind, problem.text, PATTERNS_ALONE, problem.code)


def _text(session: Session, arn: str) -> str:
    """Return the text of a secret, or of a parameter that is one: others are settings. Raises AwsProblem."""
    if not is_parameter(arn):
        secret = session.call("secretsmanager", "get_secret_value", SecretId=arn)
        return str(secret.get("SecretString", ""))
    parameter = session.call("ssm", "get_parameter", Name=arn, WithDecryption=True)["Parameter"]
    return str(parameter["Value"]) if parameter["Type"] == "SecureString" else ""
