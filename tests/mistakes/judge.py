"""The judge of a deployment, which shares no code with the gate and the doctor that it judges.

It asks AWS by boto3 and the page by sockets, reads what the engine has registered, and what commands print.
"""

import contextlib
import http.client
import json
import math
import re
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.listing import listed

HARMLESS, WELL, CURED = "harmless", "green and well", "red, cured as printed"
NOT_CURED, NO_CAUSE, WRONG_CAUSE = "red, not cured", "no cause", "wrong cause"
OTHER_VERSION, DEAD = "green and not the declared version", "green and dead"
HURT, LEFT, NO_END = "users hurt though canary", "destroy leaves something", "no end"
NOT_MADE = "not made"
"""AWS refuses each change that was drawn: there is nothing to judge."""
GOOD = (HARMLESS, WELL, CURED, NOT_MADE)
PAUSE = 0.5
"""Seconds between two requests of a user."""
PATIENCE = 12.0
"""Seconds that a user waits for a page."""
TRIES = 8
"""Requests with which the page is judged."""
CONVERGES = 6.0
"""Seconds within which ECS shows what it runs."""
CANARY_SHARE = 0.10
"""The share of requests that a new version gets first (README, deployStrategy)."""
UNNAMED = {"tasks-die", "rolled-back", "roll-out-failed", "roll-out-going-on", "deployed-after"}
"""Findings that the doctor prints as [what happened], not as a cause."""


def ask(url: str, authority: str = "") -> str:
    """Return why a browser does not show the page; "" if it does. It trusts the authority in that file."""
    if not url:
        return "no listener"
    for _ in range(6):
        place = urlsplit(url)
        line = http.client.HTTPConnection(place.netloc, timeout=PATIENCE)
        if authority:
            trust = ssl.create_default_context(cafile=authority)
            line = http.client.HTTPSConnection(place.netloc, timeout=PATIENCE, context=trust)
        try:
            headers = {"Accept-Encoding": "gzip, deflate, br", "User-Agent": "Mozilla/5.0"}
            line.request("GET", place.path or "/", headers=headers)
            answer = line.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as problem:
            return f"{type(problem).__name__}: {problem}"
        finally:
            line.close()
        if answer.status not in (301, 302, 303, 307, 308):
            break
        following = urlsplit(answer.getheader("Location") or "")
        if following.hostname not in (None, place.hostname):
            return ""  # another one's page, as that of a login
        url = f"{place.scheme}://{place.netloc}{following.path}"
    if not 200 <= answer.status < 300:
        return f"status {answer.status}"
    return unreadable(body, answer.getheader("Content-Encoding") or "")


def unreadable(body: bytes, encoding: str) -> str:
    """Return why a browser cannot show a body; "" if it can."""
    if encoding in ("gzip", "deflate"):
        inflate = zlib.decompressobj(47)
        try:
            body = inflate.decompress(body)
        except zlib.error as problem:
            return f"{encoding}: {problem}"
        if not inflate.eof:
            return f"{encoding}: ends early"
    elif encoding == "br" and body.isascii():
        return "br: it is plain text"
    return "" if body.strip() else "an empty page"


class Users(threading.Thread):
    """Asks for the page twice a second, and notes each answer that a browser does not show."""

    def __init__(self, page: Callable[[], tuple[str, str]]) -> None:
        super().__init__(daemon=True)
        self._page, self.over = page, threading.Event()
        self.asked, self.failed = 0, list[str]()

    def run(self) -> None:
        while not self.over.wait(PAUSE):
            why = ask(*self._page())
            self.asked += 1
            self.failed += [why] if why else []

    def hurt(self) -> bool:
        """Return whether more failed than a canary's share, with its scatter."""
        scatter = 3 * math.sqrt(self.asked * CANARY_SHARE * (1 - CANARY_SHARE))
        return len(self.failed) > CANARY_SHARE * self.asked + scatter + 1


@dataclass(frozen=True)
class Sight:
    """What the judge sees: the answers of the page that fail, and how what runs differs from what is declared."""

    failed: Sequence[str]
    asked: int
    differs: str

    @property
    def well(self) -> bool:
        return not self.failed and not self.differs

    @property
    def dead(self) -> bool:
        return len(self.failed) * 2 >= self.asked

    def __str__(self) -> str:
        page = (
            f"{len(self.failed)} of {self.asked} requests fail" if self.failed else "the page works"
        )
        return "; ".join(filter(None, (page, *{*self.failed}, self.differs)))  # fmt: skip


class Judge:
    """The eyes of the judge on one local cloud; ``facts`` is the file in which that says where its listeners are.

    ``variables`` are those by which a client finds it, and ``export`` returns what the engine has registered.
    """

    def __init__(
        self, facts: Path, variables: Mapping[str, str], export: Callable[[], Sequence[Any]]
    ) -> None:
        self._facts, self._export = facts, export
        session = boto3.Session(
            variables["AWS_ACCESS_KEY_ID"],
            variables["AWS_SECRET_ACCESS_KEY"],
            region_name=variables["AWS_REGION"],
        )
        how = {"endpoint_url": variables["AWS_ENDPOINT_URL"]}
        self.client = lambda service: session.client(service, **how)
        self._ecs = self.client("ecs")

    def page(self) -> tuple[str, str]:
        """Return the address of the page, and the file with its authority; "" without a listener."""
        with contextlib.suppress(OSError, ValueError):
            listeners = json.loads(self._facts.read_text()).get("state", {}).get("listeners") or []
            # Of two, the one without a certificate redirects to the other.
            for listener in sorted(listeners, key=lambda listener: not listener.get("authority")):
                return f"{listener['url'].rstrip('/')}/", listener.get("authority") or ""
        return "", ""

    @contextlib.contextmanager
    def users(self) -> Iterator[Users]:
        users = Users(self.page)
        users.start()
        try:
            yield users
        finally:
            users.over.set()
            users.join()

    def look(self) -> Sight:
        """Look at the page as a user, and at whether ECS runs what is declared."""
        end, differs = time.monotonic() + CONVERGES, self.differs()
        while differs and time.monotonic() < end:
            time.sleep(0.3)
            differs = self.differs()
        if not differs and not self._tasks_declared():
            return Sight((), TRIES, "")  # 0 tasks are declared, and 0 run
        answers = [ask(*self.page()) for _ in range(TRIES)]
        return Sight([answer for answer in answers if answer], TRIES, differs)

    def differs(self) -> str:
        """Return how the tasks that run differ from what the engine registered last; "" if they do not."""
        if not (declared := self._services()):
            return "no service is declared"
        return "; ".join(filter(None, map(self._service, declared)))

    def _services(self) -> list[Mapping[str, Any]]:
        found = self._export()
        return [each["inputs"] for each in found if each["type"] == "aws:ecs/service:Service"]

    def _tasks_declared(self) -> int:
        return sum(int(service.get("desiredCount") or 0) for service in self._services())

    def _service(self, declared: Mapping[str, Any]) -> str:
        which = {"cluster": declared["cluster"], "serviceName": declared["name"]}
        try:
            arns = self._ecs.list_tasks(**which)["taskArns"]
            tasks = self._ecs.describe_tasks(cluster=which["cluster"], tasks=arns)["tasks"] if arns else []  # fmt: skip
        except (ClientError, BotoCoreError) as problem:
            return f"{declared['name']}: {problem}"
        running = [task["taskDefinitionArn"] for task in tasks if task["lastStatus"] == "RUNNING"]
        wanted, count = str(declared["taskDefinition"]), int(declared.get("desiredCount") or 0)
        if others := {arn.rpartition("/")[2] for arn in running} - {wanted.rpartition("/")[2]}:
            return f"{', '.join(others)} runs, declared is {wanted.rpartition('/')[2]}"
        return f"{len(running)} of {count} tasks run" if len(running) < count else ""

    def deploying(self) -> bool:
        """Return whether ECS has begun a deployment that has not ended."""
        for each in self._services():
            which = {"cluster": each["cluster"], "services": [each["name"]]}
            for service in self._ecs.describe_services(**which)["services"]:
                newest = service["deployments"][0]
                return bool(newest["rolloutState"] == "IN_PROGRESS" and newest["runningCount"])
        return False

    def left(self) -> list[str]:
        """Return what the account has of a stack, and what cannot be listed."""
        return [process[:160] for process in listed(self.client) if "careapp" in process]


@dataclass
class Case:
    """What happened in one draw, from which its verdict follows."""

    code: int
    said: str
    sight: Sight
    users_asked: int = 0
    users_failed: Sequence[str] = ()
    hurt: bool = False
    """Whether users of a canary had more failures than its share."""
    acted: str = ""
    """What was done in the account."""
    cause: str = ""
    cured: bool = False
    names: bool = True
    """Whether the cause names what was changed."""
    steps: list[str] = field(default_factory=list)


def verdict(case: Case) -> str:
    """Return what a deployment with a mistake came to."""
    if case.hurt:
        return HURT
    if not case.code:
        if case.sight.well:
            return WELL if case.users_failed else HARMLESS
        if case.sight.dead:
            return DEAD
        if case.sight.differs:
            return OTHER_VERSION
    if case.cured:
        return CURED
    if not case.cause:
        return NO_CAUSE
    return NOT_CURED if case.names else WRONG_CAUSE


def named_cause(diagnosis: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the first cause that the doctor names; None where it only says what happened."""
    causes = [finding for finding in diagnosis.get("findings", ()) if finding["kind"] == "cause"]
    return causes[0] if causes and causes[0]["id"] not in UNNAMED else None


COMMAND = re.compile(r"^ {8,}((?:pulumi|aws|\./careapp) .*)$", re.M)


def printed_cause(said: str) -> Mapping[str, Any] | None:
    """Return the cause that `pulumi up` itself prints, as the doctor's JSON has it."""
    found = re.search(r"^ *1\. \[cause\] (.*)\n((?:.*\S.*\n?)*)", said, re.M)
    if found is None:
        return None
    why, *ways = re.split(r"^ *Do: ", found[2], flags=re.M)
    fixes = [{"text": way, "commands": COMMAND.findall(way), "then": False} for way in ways]
    return {"id": "printed", "title": found[1], "why": why, "fixes": fixes}


def diagnostics(said: str) -> str:
    """Return what `pulumi up` says beside the list of resources."""
    found = re.search(r"^Diagnostics:\n(.*?)(?=^(?:Outputs|Resources):|\Z)", said, re.M | re.S)
    return found[1] if found else said


def is_named(names: Sequence[str], text: str) -> bool:
    """Return whether a text has one of the names; those that begin with ~ are regular expressions."""
    return any(
        re.search(name[1:], text, re.I) if name[:1] == "~" else name.lower() in text.lower()
        for name in names
        if len(name) > 1
    )
