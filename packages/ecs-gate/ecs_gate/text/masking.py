"""Masks secrets in text that leaves this program: log lines, errors of libraries, words of AWS.

The values of the service's secrets are masked wherever they stand. For others, and where they may not be read, it goes
by how libraries, servers and AWS write a secret, and cannot know one that stands alone. What is compared or parsed is
not masked: `Text`, `ecs_gate.screen.Line`, `Finding` and the JSON of commands and page mask what they show.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ecs_gate.text.secret_values import SecretValues

VALUES = SecretValues()
"""The values of the service's secrets, once they were read (ecs_gate/parts/stack_secrets.py)."""

MASK = "***"
"""SQLAlchemy and GitHub write a secret so."""

Match: TypeAlias = "re.Match[str]"

KEY = (
    r"(?:password|passwd|passphrase|pwd(?!=/)|[_-]pass|secret[_-]?(?:string|binary|key(?:_base)?)|secret"
    r"|(?<!next)(?<!next[_-])(?<!continuation)(?<!page[_-])token|jwt|credential"
    r"|(?:api|access|private|auth|encryption|signing|master|account)[_-]?key"
    r"|x-amz-signature|sessionid)"
)
"""How the name of a secret ends, in any case. `DB_SECRET_ARN` and `SecretId` name no secret."""

KEPT = re.compile(
    r"\*+|x{3,}|\d|null|none|true|false|nil|undefined"
    r"|\[(?:secret|redacted|secure|filtered|masked|hidden)\]|<[a-z _-]+>|output<.*>|arn:aws\S*"
    # A place for a value: of str.format, a shell, %-formatting.
    r"|\{[a-z_.]*\}|\$\{?[A-Z_]+\}?|%\([a-z_]+\)s|%s",
    re.I,
)
"""Values that are none, or that a library has masked itself."""

CODE = re.compile(
    rf"(?:\w*\.)?environ\b|(?:os|self|cls|settings|config|conf|args|options|app)\.[a-z_]|\w*getenv\b|{KEY}[),]*$"
    r"|[{\[(]+[\])}]*$",
    re.I,
)
"""A traceback's line of source code that passes a value on, and a value that is an object."""

PLAIN = re.compile(r"[A-Za-z]?[a-z']+[.,;:!)]*")

NO_VALUE = re.compile(
    r"(?:bytes|denied|disabled|empty|enabled|error|expired|failed|hidden|incorrect|invalid|masked|missing|none|optional"
    r"|redacted|refused|rejected|required|revoked|set|str|string|unknown|unset|wrong|yes|no|not|ok)[.,;:!)]*",
    re.I,
)
"""Words that follow `token:` and the like in a message instead of a value."""

NEXT = re.compile(r"[,;&](?=[A-Za-z_][\w.-]*=)")
"""Where the next `name=value` begins, or a password goes on."""

QUERY = re.compile(r"[?&][\w.-]{0,40}$")

ASSIGNED = rf"{KEY}\s?=\s?(?![\w.]*\(['\"])(?P<v>[^\s'\"]+)"

QUOTED = r"""(?P<v>(?:(?!(?:(?<!\\)|(?<=[^\\]\\\\)(?="))(?P=q)).)*)"""
"""Up to the closing quote. One after a backslash is none, but for JSON's own at the end of a value: rather too much
is masked than the rest left."""


def _secret(match: Match) -> str:
    """Return the match with its value masked, unless that is none."""
    value = match["v"]
    if not value or KEPT.fullmatch(value):
        return match[0]
    begin, end = (position - match.start() for position in match.span("v"))
    return match[0][:begin] + MASK + match[0][end:]


def _spoken(match: Match) -> str:
    """Return a value after a colon masked, unless a sentence goes on there."""
    value, rest = match["v"], match.string[match.end() : match.end() + 80]
    goes_on = re.match(r"[^\S\n]+[^\s:=]+(?:\s|$)", rest)
    if NO_VALUE.fullmatch(value) or (goes_on and PLAIN.fullmatch(value)):
        return match[0]
    return match[0] if CODE.match(value) else _secret(match)


def _assigned(match: Match) -> str:
    """Return a value after `=` masked. In a query string it ends at the `&`, elsewhere it can have any character."""
    value = NEXT.split(match["v"], 1)[0]
    kept = KEPT.fullmatch(value) or CODE.match(value)
    if not kept and not QUERY.search(match.string, max(0, match.start() - 41), match.start()):
        return _secret(match)
    begin = match.start("v") - match.start()
    rest = re.sub(ASSIGNED, _assigned, match["v"][len(value) :], flags=re.I)
    return match[0][:begin] + (value if kept else MASK) + rest


def _bare(match: Match) -> str:
    """Return a number of JSON masked, as a string: it stays JSON."""
    if CODE.match(match["v"]):
        return match[0]
    return _secret(match).replace(MASK, f"{match['q']}{MASK}{match['q']}")


def _cookies(match: Match) -> str:
    attributes = {"path", "domain", "max-age", "expires", "samesite", "version", "priority"}

    def pair(match: Match) -> str:
        return match[0] if match[1].lower() in attributes else f"{match[1]}={MASK}"

    return match["head"] + re.sub(r"([\w.-]+)=([^;\s'\"\\]+)", pair, match["pairs"])


def _number(match: Match) -> str:
    """Return what should have been a number masked, unless it is a word, or a number with a unit."""
    word = re.fullmatch(r"[A-Za-z]{0,12}|[\d.,:\s-]+[a-z%]{0,2}", match["v"])
    return match[0] if word else _secret(match)


QUOTE = r"""\\*["']"""


@dataclass(frozen=True)
class MaskRule:
    """How a secret is written. Every text with one has a word of ``hints``, in lower case: most texts have none."""

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    how: Callable[[Match], str]


def _rule(hints: str, pattern: str, how: Callable[[Match], str] = _secret) -> MaskRule:
    return MaskRule(tuple(hints.split()), re.compile(pattern, re.I), how)


NAMES = "pass pwd secret token jwt credential key signature sessionid"
"""The hints of KEY."""

RULES: tuple[MaskRule, ...] = (
    # A private key, also with `\n` for its line ends, and one whose end is cut off.
    _rule(
        "private",
        r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY(?: BLOCK)?-----"
        r"(?P<v>(?:(?!-----(?:BEGIN|END))[\s\S]){1,20000}?(?=-----END)|(?:(?:\s|\\+[nr])*[A-Za-z0-9+/=]{16,})*)",
    ),
    # URLs. A `/` in front of the `@` ends a port; RDS allows none in a password (API reference, MasterUserPassword).
    _rule(
        "//",
        r"(?<![/:])(?:\b[a-z][\w+.-]{0,40}:?)?//[^\s/:@'\"?#\[\]]{0,128}:(?!\d+/)(?P<v>[^\s'\"]{1,4096})(?=@)",
    ),
    # One that a library has shortened, or that ends in the middle of the password.
    _rule(
        "//",
        r"\b(?!docker|oci)[a-z][\w+.-]{0,40}://[^\s/:@'\"?#\[\]]{0,128}:(?!\d+(?:\W|_|$)|port\b|[${<%])"
        r"(?P<v>[^\s'\"@]+)(?![^\s'\"]*@)",
    ),
    # Without a scheme, like the netloc of urllib, but neither an e-mail address nor the digest of an image.
    _rule(
        "@",
        r"(?<![\w/.-])[\w.-]{1,64}:(?P<v>[^\s'\"/@]{3,256})(?=@(?!sha\d)(?:[\w.-]{1,255}:\d{2,5}\b|tcp\())",
    ),
    # JSON, also as a string in JSON; Python's dicts, arguments and records; YAML, TOML, libpq's parameters.
    _rule(
        NAMES,
        rf"{KEY}(?:{QUOTE})?\s*(?:=>|[:=])\s*(?:[A-Za-z_][\w.]*\(|[brfu]{{1,2}}(?=[\"']))?(?P<q>{QUOTE}){QUOTED}",
    ),
    _rule(NAMES, rf"{KEY}(?P<q>{QUOTE})\s*(?:=>|:)\s*(?P<v>[^\s,\}}\]'\"\\]+)", _bare),
    _rule(NAMES, ASSIGNED, _assigned),
    _rule(NAMES, rf"{KEY}\s*:\s+(?P<v>[^\s'\"]+)", _spoken),
    _rule(NAMES, rf"\(\s*[bu]?['\"][\w.-]{{0,40}}?{KEY}['\"]\s*,\s*[bu]?(?P<q>['\"]){QUOTED}"),
    _rule(NAMES, rf"--[\w-]{{0,40}}?{KEY}(?P<q>{QUOTE}),\s*(?P=q){QUOTED}"),
    _rule(
        NAMES,
        r"--[\w-]{0,40}?(?:password|passwd|token|[a-z]-key)\s+(?P<v>[^\s'\"-][^\s'\"]*)",
        _spoken,
    ),
    _rule(NAMES, rf"<[\w:.-]{{0,40}}?{KEY}>(?P<v>[^<]+)(?=</)"),
    # SQL: ALTER USER … PASSWORD '…'; sentences.
    _rule("pass", r"\bpass(?:word|wd)\s+e?(?P<q>['\"])(?P<v>(?:(?P=q){2}|(?!(?P=q)).)+)(?P=q)"),
    _rule(
        NAMES,
        rf"{KEY}(?:\s+(?:for|of)(?:\s+user)?\s+\S{{1,64}})?\s+(?:is|was)\s+['\"]?"
        # Neither a path nor an identifier like `i-0123`.
        r"(?P<v>(?!/|(?-i:[a-z0-9]+(?:-[a-z0-9]+)+)[.,;:)]*(?:\s|$))(?=\S*\d)(?=\S*[a-z])[^\s'\"]{6,})",
    ),
    _rule(
        "パスワード シークレット トークン",
        r"(?:パスワード|シークレット|トークン)\s?[:=\uff1a\uff1d]\s*(?P<v>[!#-&(-~]{4,})",
        _spoken,
    ),
    # In a URL that is a value in another, and in base64: `password` at each of three alignments.
    _rule(NAMES, rf"{KEY}%3d(?P<v>(?:(?!%26)[^\s'\"&])+)"),
    _rule(
        "cgfzc3dvcmq bhc3n3b3jk wyxnzd29yz",
        r"(?P<v>[\w+-]{0,256}(?-i:cGFzc3dvcmQ|Bhc3N3b3Jk|wYXNzd29yZ)[\w+/-]*=*)",
    ),
    _rule(
        "mysql mariadb sshpass",
        r"\b(?:mysql|mariadb|sshpass)[^\n]{0,200}?[\s'\"](?-i:-p)(?!(?:ort|rotocol|refix|id|ip)\b)(?P<v>[^\s'\"]+)",
    ),
    # Headers.
    _rule(
        "authorization",
        rf"authorization(?:{QUOTE})?\s*[:=,]\s*(?:b?{QUOTE})?(?!aws4|digest)"
        r"(?:(?:basic|bearer|token|negotiate)\s+)?(?P<v>[^\s'\"\\]+)",
        _spoken,
    ),
    _rule("bearer", r"\bbearer\s+(?!\w+=)(?P<v>(?=[\w.~+/-]*\d)[\w.~+/=-]{8,})"),
    _rule("signature", r"\bsignature=(?P<v>[\w%+/=]{20,})"),
    _rule(
        "cookie",
        rf"(?P<head>(?<![a-z])cookie(?:{QUOTE})?\s*[:=,]\s*(?:b?{QUOTE})?|<cookie\s+)"
        r"(?P<pairs>(?:[\w.-]+=[^;\s'\"\\]*(?:;\s*)?)+)",
        _cookies,
    ),
    # What libraries say of a URL or DSN that they cannot read: often a part of the password.
    _rule(
        "integer",
        r"port could not be cast to integer value as (?P<q>['\"])(?P<v>.*?)(?P=q)",
        _number,
    ),
    _rule(
        "int()",
        r"invalid literal for int\(\) with base 10: b?(?P<q>['\"])(?P<v>.*?)(?P=q)",
        _number,
    ),
    _rule(
        "invalid",
        r"invalid (?:port|port number|percent-encoded token): (?P<q>['\"])(?P<v>.*?)(?P=q)",
        _number,
    ),
    _rule(
        "invalid",
        r"invalid integer value (?P<q>['\"])(?P<v>.*?)(?P=q) for connection option",
        _number,
    ),
    _rule(
        "parse",
        r"failed to parse: '?[^\s':]{0,128}:(?P<v>[^\s']+)'? is not a valid host or port",
        _number,
    ),
    _rule(
        "found:", r"'%' must be followed by '%' or '\(', found: (?P<q>['\"])(?P<v>.*?)(?=@|(?P=q))"
    ),
    _rule("missing", r"missing \"=\" after \"(?P<v>[^\"/\s]{8,})\" in connection info", _number),
)

TOKENS = re.compile(
    r"\b(?:"
    r"eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"  # a JSON Web Token
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"
    r"|gh[pousr]_\w{36,}|github_pat_\w{22,}|glpat-[\w-]{20,}"
    r"|(?:sk|rk)_(?:live|test)_\w{10,}|whsec_[\w+/=]{20,}|sk-[\w-]{32,}"
    r"|xox[abeoprs]-[\w-]{10,}|hooks\.slack\.com/services/[\w/+-]{20,}"
    r"|AIza[\w-]{35}|npm_\w{36}|pypi-[\w-]{40,}|pul-[0-9a-f]{40}|SG\.[\w-]{22}\.[\w-]{43}"
    r")"
)
"""Tokens by how they begin, written from memory; those in tests/i18n/masked_lines.json are tried."""


def mask(text: str) -> str:
    """Return the text visible, and without its secrets: `postgresql://postgres:***@db.example/shop`."""
    text = VALUES.mask(text, MASK)
    low = text.lower()
    for rule in RULES:
        if any(hint in low for hint in rule.hints):
            text = rule.pattern.sub(rule.how, text)
    return visible(TOKENS.sub(MASK, text))


CONTROLS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n|\\Z)"
)
"""Characters that drive a terminal (ECMA-48's C0 and C1, but tab and line ends), that have a line read in another order
than it is written (Unicode's UAX 9; "Trojan Source", CVE-2021-42574), or that have no UTF-8."""


def visible(text: str) -> str:
    """Return the text with control characters as JSON writes them, like `\\u001b`: text that is JSON stays it."""
    return CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def mask_data(data: Any) -> Any:
    """Return a value of JSON with its texts masked, and those that have a secret's name."""
    if isinstance(data, str):
        return mask(data)
    if isinstance(data, dict):
        return {key: _named(str(key), value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [mask_data(value) for value in data]
    return data


NAME = re.compile(rf"{KEY}$", re.I)


def names_a_secret(name: str) -> bool:
    """Return whether a variable or key of this name holds a secret, as far as the name tells."""
    return bool(NAME.search(name))


def _named(name: str, value: Any) -> Any:
    if isinstance(value, str) and value and names_a_secret(name) and not KEPT.fullmatch(value):
        return MASK
    return mask_data(value)


BEGIN = re.compile(r"-----BEGIN (?P<what>[A-Z0-9 ]+)-----")
END = "-----END "
BODY = re.compile(r"\s*(?:[A-Za-z0-9+/=]+|(?:Proc-Type|DEK-Info): .*)\s*")
ALONE = re.compile(r"\s*(?![0-9a-fA-F]+\s*$)(?=.*\d)(?=.*[a-z])(?=.*[A-Z])[A-Za-z0-9+/]{64}\s*")
"""A line of a PEM block whose beginning was not read (RFC 7468: 64 characters); a digest is hexadecimal."""
LONGEST = 200
"""Lines of a PEM block; an RSA key of 8192 bits has 101."""
BEFORE = re.compile(rf"{KEY}(?:{QUOTE})?\s*[:=]\s*$", re.I)
"""The end of a line whose value is the next line, if that is one word with a digit: others are a log's own."""


@dataclass
class Lines:
    """Masks the lines of one log in their order: a private key has many, a name and its value can have two."""

    _name: str = field(default="", init=False)
    _block: str = field(default="", init=False)
    _left: int = field(default=0, init=False)

    def mask(self, line: str) -> str:
        """Return a line visible, and without its secrets."""
        line = visible(line)
        if self._left:
            self._left -= 1
            if END in line:
                self._left = 0
            elif BODY.fullmatch(line):
                return MASK if "PRIVATE" in self._block else line
        elif ALONE.fullmatch(line):
            return MASK
        for begun in BEGIN.finditer(line):
            if END not in line[begun.end() :]:
                self._block, self._left = begun["what"], LONGEST
        value = len(line.split()) == 1 and re.search(r"\d", line)
        before = f"{self._name}\n" if self._name and value else ""
        match = BEFORE.search(line)
        self._name = match[0] if match else ""
        return mask(before + line)[len(before) :]


def mask_lines(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of one log without their secrets."""
    log = Lines()
    return map(log.mask, lines)
