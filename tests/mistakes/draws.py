"""What is drawn: mistakes in what the program declares, the account, the app, its image, and the settings.

A draw is a function of its seed and number. It is drawn from what a good deployment has declared, so that nothing of
the program is listed here: ids and ARNs alone differ between two deployments.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from random import Random
from typing import Any

from botocore.model import ListShape, MapShape, StructureShape

from careapp import ROOT
from careapp.settings.file import read
from careapp.settings.settings import KEYS
from local_cloud.calls import Calls, member_name
from local_cloud.providers.aws import KINDS
from tests.mistakes.account import Act, Resources, acts, chosen, weight

STACKS = ("webapp rolling", "webapp canary", "flaskr rolling", "flaskr canary")
BLOCK = 25
"""Draws one after the other that have the same stack: another app or strategy takes half a minute."""
SOURCES = {
    "program": 32,
    "account": 20,
    "app": 18,
    "image": 6,
    "setting": 8,
    "variable": 6,
    "pair": 10,
}
"""The sources of mistakes, with the weight of each."""
FIRST, UPDATE, MIDDLE, AFTER = "first release", "update", "middle", "after"
MOMENTS = {FIRST: 15, UPDATE: 85}
ACCOUNT_MOMENTS = {FIRST: 10, UPDATE: 30, MIDDLE: 25, AFTER: 35}
APPS = {
    "webapp": ("webapp", "webapp/__init__.py"),
    "flaskr": ("docs/examples/flaskr", "docs/examples/flaskr/flaskr/__init__.py"),
}
"""The folder of each app's Dockerfile, and the file with its `create_app`."""


@dataclass(frozen=True)
class Mistake:
    """One mistake. ``names`` are what a text has to contain one of that names it."""

    source: str
    what: str
    names: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """What wrong_program.py is to change."""
    app: Mapping[str, Any] = field(default_factory=dict)
    """What wrong_app.py is to do."""
    files: Mapping[str, str] = field(default_factory=dict)
    """New texts of files of the program's copy."""
    setting: tuple[str, str] | None = None
    acts: tuple[Act, ...] = ()
    """Calls of AWS's API: the first one is made that is not refused."""


@dataclass(frozen=True)
class Plan:
    """What is known of a draw before its stack is there."""

    seed: int
    number: int
    stack: str
    sources: tuple[str, ...]
    moment: str

    @property
    def source(self) -> str:
        return self.sources[0] if len(self.sources) == 1 else "pair"

    @property
    def random(self) -> Random:
        return Random(f"{self.seed}:{self.number}:mistakes")  # noqa: S311 - not for cryptography

    @classmethod
    def of(cls, seed: int, number: int) -> "Plan":
        random = Random(f"{seed}:{number}")  # noqa: S311
        stack = STACKS[(number // BLOCK + seed) % len(STACKS)]
        source = chosen(random, SOURCES)
        alone = {key: weight for key, weight in SOURCES.items() if key != "pair"}
        count = 2 if source == "pair" else 0
        sources = tuple(chosen(random, alone) for _ in range(count)) or (source,)
        moments = ACCOUNT_MOMENTS if {*sources} == {"account"} else MOMENTS
        return cls(seed, number, stack, sources, chosen(random, moments))


@dataclass(frozen=True)
class Draw:
    """A plan with the mistakes that are made."""

    plan: Plan
    mistakes: tuple[Mistake, ...]

    def __str__(self) -> str:
        what = " + ".join(mistake.what for mistake in self.mistakes)
        return f"[{self.plan.stack}, {self.plan.moment}] {what}"


def drawn(plan: Plan, good: Resources, live: Resources, calls: Calls) -> Draw:
    """Return the draw. ``good`` is the state of a good deployment, ``live`` that of now, which may lack the service."""
    random, catalogue = plan.random, Catalogue(good, live, calls)
    makers = {
        "program": catalogue.wrong_input,
        "variable": catalogue.wrong_variable,
        "account": lambda random: wrong_account(random, live, calls),
        "app": lambda random: wrong_app(random, plan.stack),
        "image": lambda random: wrong_image(random, plan.stack),
        "setting": wrong_setting,
    }
    return Draw(plan, tuple(makers[source](random) for source in plan.sources))


def wrong_account(random: Random, live: Resources, calls: Calls) -> Mistake:
    """Return a change of a resource in the account, and what is tried where AWS refuses it."""
    thing, tried = acts(random, live, calls)
    what = f"{thing.kind.rpartition(':')[2]} {thing.name}"
    return Mistake("account", what, (thing.name,), acts=tuple(tried))


def leaves(held: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield each place in an input, with what is there: also in a JSON text."""
    if isinstance(held, str) and held.startswith(("{", "[")):
        try:
            held = json.loads(held)
        except ValueError:
            yield path, held
            return
    if path:
        yield path, held
    if isinstance(held, Mapping):
        for key in sorted(held):
            if key not in ("__defaults", "tags"):
                yield from leaves(held[key], (*path, key))
    elif isinstance(held, list):
        for index, item in enumerate(held):
            yield from leaves(item, (*path, index))


def words_of(path: Sequence[Any]) -> tuple[str, ...]:
    """Return the spellings of an argument: Pulumi's, Python's and in words."""
    [*_, key] = [part for part in path if isinstance(part, str)] or [""]
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
    return tuple(
        {key, snake, snake.replace("_", " "), snake.replace("_", "-"), snake.replace("_", "")}
    )


class Catalogue:
    """The inputs of a deployment, by type, and what other value each of them may have."""

    def __init__(self, resources: Resources, live: Resources, calls: Calls) -> None:
        self._calls = calls
        self._live = {resource["urn"]: resource for resource in live}
        self._named = {
            (resource["type"], resource["urn"].rpartition("::")[2]): resource
            for resource in resources
            if resource["type"] in KINDS
        }
        self._of_type: dict[str, list[str]] = {}
        for kind, name in sorted(self._named):
            self._of_type.setdefault(kind, []).append(name)
        self._known = {
            value: (kind, name, key)
            for (kind, name), each in self._named.items()
            for key, value in (("id", each.get("id")), ("arn", each.get("outputs", {}).get("arn")))
        }

    def wrong_input(self, random: Random) -> Mistake:
        """Return a mistake in any input of any resource."""
        while True:
            kind = chosen(random, {each: weight(each) for each in sorted(self._of_type)})
            name = random.choice(self._of_type[kind])
            places = list(leaves(self._named[kind, name]["inputs"]))
            path, held = random.choice(places or [((), None)])
            if path and (made := self._wrong(random, kind, name, path, held)):
                return made

    def wrong_variable(self, random: Random) -> Mistake:
        """Return a mistake in an environment variable or a secret of a task definition."""
        kind = "aws:ecs/taskDefinition:TaskDefinition"
        name = random.choice(self._of_type[kind])
        places = [
            (path, held)
            for path, held in leaves(self._named[kind, name]["inputs"])
            if path[0] == "containerDefinitions" and len(path) in (4, 5)
            if path[2] in ("environment", "secrets")
        ]
        path, held = random.choice(places)
        if len(path) == 5 and path[4] == "name":
            made = self._set(kind, name, path, f"{held}_", (held,))
        elif len(path) == 5:
            same = [other for place, other in places if place[4:] == path[4:] and other != held]
            made = self._set(kind, name, path, random.choice(["", "x", *same]), ())
        else:
            made = self._drop(kind, name, path, (held["name"],))
        variable = json.loads(self._named[kind, name]["inputs"]["containerDefinitions"])
        variable = variable[path[1]][path[2]][path[3]]["name"]
        return Mistake("variable", made.what, (variable, *made.names), made.inputs)

    def _wrong(
        self, random: Random, kind: str, name: str, path: tuple[Any, ...], held: Any
    ) -> Mistake | None:
        # A text that names what is missing now names the mistake.
        were = (held,) if isinstance(held, str) and 3 < len(held) < 100 else ()
        others = [("set", value) for value in self._others(kind, path, held)]
        if isinstance(path[-1], str) or len(path) > 1:
            others.append(("drop", None))
        how, value = random.choice(others) if others else ("", None)
        if how == "drop":
            return self._drop(kind, name, path, were)
        return self._set(kind, name, path, value, were) if how else None

    def _set(self, kind: str, name: str, path: Any, value: Any, names: Any) -> Mistake:
        inputs = {"type": kind, "name": name, "path": list(path), "value": value}
        shown = json.dumps(value)
        what = f"{kind.rpartition(':')[2]} {name}: {'.'.join(map(str, path))} = {shown[:60]}"
        said = (shown.strip('"'),) if len(shown) > 5 else ()
        return Mistake("program", what, (*names, name, *words_of(path), *said), inputs)

    def _drop(self, kind: str, name: str, path: Any, names: Any) -> Mistake:
        inputs = {"type": kind, "name": name, "path": list(path), "drop": True}
        what = f"{kind.rpartition(':')[2]} {name}: no {'.'.join(map(str, path))}"
        return Mistake("program", what, (*names, name, *words_of(path)), inputs)

    def _others(self, kind: str, path: Any, held: Any) -> Iterator[Any]:
        """Yield other values that an input may have."""
        match held:
            case bool():
                yield not held
            case int() | float():
                yield from (value for value in (held * 2, held // 2, 0) if value != held)
            case list() if held:
                yield [*held, held[-1]]
                yield []
            case str():
                yield from self._other_texts(kind, path, held)

    def _other_texts(self, kind: str, path: Any, held: str) -> Iterator[str]:
        if held in self._known:
            of, named, key = self._known[held]
            for other in self._of_type[of]:
                each = self._live.get(self._named[of, other]["urn"])
                if each and other != named:
                    yield each["id"] if key == "id" else each["outputs"]["arn"]
            return
        siblings = {
            other
            for sibling in self._of_type[kind]
            for place, other in leaves(self._named[kind, sibling]["inputs"])
            if place[-1:] == path[-1:] and isinstance(other, str) and other != held
        }
        yield from sorted(siblings - {*self._known})
        yield from (value for value in self._enum(kind, path) if value != held)
        if held.isdigit():
            yield from (str(int(held) * 2), str(int(held) // 2))
        elif held.startswith("/") and not is_network(held):
            yield "/nowhere"
        elif is_network(held):
            yield "10.9.0.0/16"
        elif str(path[-1]).lower().endswith(("name", "identifier", "family")):
            yield f"{held}-2"

    def _enum(self, kind: str, path: Any) -> Sequence[str]:
        """Return the values that botocore knows of an input."""
        shape: Any = self._calls.model(KINDS[kind].service, KINDS[kind].create).input_shape
        for key in path:
            if isinstance(key, int) and isinstance(shape, ListShape):
                shape = shape.member
            elif isinstance(shape, StructureShape) and (
                member := member_name(shape.members, str(key))
            ):
                shape = shape.members[member]
            elif isinstance(shape, MapShape):
                shape = shape.value
            else:
                return ()
        return list(getattr(shape, "enum", ()))


def is_network(text: str) -> bool:
    try:
        return bool(ip_network(text))
    except ValueError:
        return False


BY_ITSELF = ("exit", "memory", "threads", "connections")
"""What also a thread of its own can do to an app."""
AT_START = (*BY_ITSELF, "raise", "end", "sleep", "hang")
AT_REQUESTS = (*AT_START, "status", "close", "half gzip", "wrong encoding", "empty")
"""What also happens without a request."""
SHOWN = {
    **{"raise": "half done|RuntimeError", "exit": "exit|end(s|ed)", "end": "exit|end(s|ed)"},
    **{"sleep": "answer|slow|start|time|long|listen", "hang": "answer|start|time|listen"},
    **{"memory": "memory", "threads": "thread|memory", "connections": "connection"},
    **{"status": "[45][0-9][0-9]", "close": "ends|body|incomplete|bytes|clos", "empty": "empty"},
    **{"half gzip": "gzip|decod|encod|read", "wrong encoding": "encod|br|read|decod"},
}
"""What a text must contain, as a regular expression, to name what an app does."""


def wrong_app(random: Random, stack: str) -> Mistake:
    """Return something that the app does at its import, its first request, after a time, or again and again."""
    when = random.choice(("import", "first", "after", "every"))
    at = {"import": AT_START, "after": BY_ITSELF}.get(when, AT_REQUESTS)
    what = random.choice(at)
    how = {
        "when": when,
        "what": what,
        "path": random.choice(("", "/")),
        "every": random.choice((1, 1, 3, 7)),
        # Of AWS's clock: the stage divides them by its speed.
        "seconds": random.choice((5, 20, 100, 400)),
        "number": {
            "exit": random.choice((0, 1, 3)),
            "status": random.choice((403, 404, 429, 500, 503)),
            "memory": 700,
            "threads": 500,
            "connections": random.choice((20, 90)),
        }.get(what, 0),
    }
    shown = " ".join(f"{key}={value}" for key, value in how.items() if value not in ("", 0))
    app = stack.partition(" ")[0]
    return Mistake("app", f"{app}: {shown}", (f"~{SHOWN[what]}", "mistake.py"), app=how)


def wrong_image(random: Random, stack: str) -> Mistake:
    """Return a line of the Dockerfile that is left out, or has a word less or another one."""
    folder, _ = APPS[stack.partition(" ")[0]]
    file = f"{folder}/Dockerfile"
    text = (ROOT / file).read_text()
    lines = re.findall(r"^[A-Z](?:.*\\\n)*.*\n", text, re.M)
    line = random.choice(lines)
    words = line.split(" ")
    index = random.randrange(1, len(words))
    without = " ".join(words[:index] + words[index + 1 :]).rstrip() + "\n"
    word = re.sub(r"\w+", lambda found: f"{found[0]}x", words[index], count=1)
    other = " ".join([*words[:index], word, *words[index + 1 :]])
    new = random.choice(("", without if len(words) > 2 else "", other.rstrip() + "\n"))
    what = f"{file}: {line.strip()[:50]!r} is {new.strip()[:50]!r}"
    # What a file, a module or a command that is not there comes from is known to who has changed the image.
    shown = "~Dockerfile|image|n[o']t? exist|no such file|no module|not found|permission|command|cannot be found"
    said = [word.strip('[]",\n') for word in words[1:3]]
    names = (shown, *(word for word in said if len(word) > 3))
    return Mistake("image", what, names, files={file: text.replace(line, new, 1)})


def wrong_setting(random: Random) -> Mistake:
    """Return another value of a setting: that of its example, or of its kind."""
    key = random.choice(
        [each for each in KEYS if each.name != "ecsEnabled" and each.kind != "object"]
    )
    name, held = key.name, read("poc", ROOT).values.get(f"careapp:{key.name}", key.default)
    others = [key.another(held)]
    match key.kind:
        case "integer":
            others += [str(int(held) * 2), str(int(held) // 2), "0"]
        case "string":
            others += ["", *(["/nowhere"] if held.startswith("/") else [])]
    value = random.choice([other for other in others if other != held] or others)
    return Mistake("setting", f"{name} = {value}", (name,), setting=(name, value))
