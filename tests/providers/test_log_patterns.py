"""CloudWatch Logs' filter patterns: which messages each lets through, and which are none."""

from __future__ import annotations

import json

import pytest

from rehearsal.control.log_patterns import BadPattern, compiled

REQUEST = {
    "level": "ERROR", "status": 503, "took": 1.25, "path": "/", "code": "404", "text": "a*b",
    "detail-type": "x", "nothing": None, "on": True, "off": False, "once": 1,
    "user": {"name": "Ann", "tags": ["one", "two"]},
    "users": [{"id": 1, "email": "a@x.org"}, {"id": 2}], "grid": [[0, 1], [2, 3]],
}  # fmt: skip
EVENT = json.dumps(REQUEST)
LINE = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


def hit(pattern, messages):
    return [message for message in messages if compiled(pattern)(message)]


A, B, C = "ERROR WARN message", "ERROR message", "WARN message"


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", [A, B, C]),
        ("  ", [A, B, C]),
        ("ERROR", [A, B]),
        ("error", []),
        ("ERR", [A, B]),
        ("message ERROR", [A, B]),
        ("ERROR WARN", [A]),
        ("?ERROR ?WARN", [A, B, C]),
        ("?NONE ?WARN", [A, C]),
        ("?NONE", []),
        ("?NONE ERROR", [A, B]),
        ("?ERROR -WARN", [B]),
        ("ERROR -WARN", [B]),
        ("-WARN", [B]),
        ('"ERROR" - "WARN"', [B]),
        ('"ERROR message"', [B]),
        ('"ERROR  message"', []),
        ('?"ERROR WARN" ?nothing', [A]),
        ("%^ERROR.m%", [B]),
        (r"%^WARN\smessage$%", [C]),
        ("%[EW][RA]%", [A, B, C]),
        ("%error%", []),
    ],
)
def test_words_phrases_and_expressions(pattern, found):
    assert hit(pattern, [A, B, C]) == found


def test_a_phrase_may_hold_what_a_word_may_not():
    assert hit(r'"said \"no\" (twice)"', ['he said "no" (twice)', "he said no twice"]) == [
        'he said "no" (twice)'
    ]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ('$.level = "ERROR"', True),
        ("$.level = ERROR", True),
        ("$.level = error", False),
        ('$.level = "ERR*"', True),
        ("$.level = *ROR", True),
        ("$.level = *RRO*", True),
        ("$.level = E*R", False),
        ("$.text = a*b", True),
        ("$.level != WARN", True),
        ("$.level != ERROR", False),
        ("$.level = *", True),
        ("$.level = %^ERR%", True),
        ("$.level != %^ERR%", False),
        ("$.status = 503", True),
        ("$.status = 503.0", True),
        ("$.status = 5.03e2", True),
        ("$.status = 5*", True),
        ("$.status != 500", True),
        ("$.status >= 503", True),
        ("$.status > 503", False),
        ("$.status < +1000", True),
        ("$.status <= 502", False),
        ("$.took > 1.2", True),
        ("$.took < 125e-2", False),
        ("$.took = 1.25", True),
        ("$.code = 404", True),
        ("$.code > 400", False),
        ("$.level > 1", False),
        ("$.nothing IS NULL", True),
        ("$.missing IS NULL", False),
        ("$.on IS TRUE", True),
        ("$.off IS TRUE", False),
        ("$.off IS FALSE", True),
        ("$.once IS TRUE", False),
        ("$.missing NOT EXISTS", True),
        ("$.nothing NOT EXISTS", False),
        ("$.user.missing not exists", True),
        ("$.detail-type = x", True),
        ("$.user.name = Ann", True),
        ("$.user.tags[1] = two", True),
        ("$.user.tags[2] = two", False),
        ("$.user.tags[*] = one", True),
        ("$.user.tags[*] = three", False),
        ('$.users[0].email = "a@x.org"', True),
        ("$.users[*].id = 2", True),
        ("$.users[1].email NOT EXISTS", True),
        ("$.grid[1][0] = 2", True),
        ("$.user.*[0] = one", True),
        ("$.users = 1", False),
        ("$.users != 1", False),
        ("$.user != x", False),
        ("$.missing != x", False),
        ("$.on != x", False),
        ("$.level[0] = E", False),
        ("$.level = ERROR && $.status >= 500", True),
        ("$.level = WARN || $.status >= 500", True),
        ("$.level = WARN && $.status >= 500", False),
        ("$.level = ERROR || $.status = 1 && $.status = 2", True),
        ("($.level = ERROR || $.status = 1) && $.status = 2", False),
        ("(($.level = ERROR) && ($.path = \"/\"))", True),
    ],
)  # fmt: skip
def test_conditions_on_json(condition, holds):
    assert compiled(f"{{ {condition} }}")(EVENT) is holds
    assert compiled(f"{{{condition}}}")(EVENT) is holds


@pytest.mark.parametrize("message", ["no json", "[1]", '"x"', "{", "12"])
def test_what_is_no_json_object_fulfils_no_condition(message):
    assert not compiled("{ $.a NOT EXISTS }")(message)


@pytest.mark.parametrize(
    ("pattern", "holds"),
    [
        ("[ip, user, username, timestamp, request, status_code, bytes]", True),
        ("[ip, user, username, timestamp, request, status_code]", False),
        ("[ip, user, ...]", True),
        ("[a, b, c, d, e, f, g, h, ...]", False),
        ("[..., status_code = 4*, bytes]", True),
        ("[..., status_code = 5*, bytes]", False),
        ("[..., request = *.html*, status_code=4*,]", True),
        ("[ip, ..., bytes > 1000]", True),
        ("[ip, ..., bytes > 2000]", False),
        ("[ip > 3, ...]", False),
        ("[ip, ..., request = \"GET *, *\", status_code, bytes]", False),
        ("[..., status_code = 403 || status_code = 404, bytes]", True),
        ("[..., status_code != 404 && status_code != 403, bytes]", False),
        ("[ip = %127\\.0%, ...]", True),
        ("[ip, user, username = frank, timestamp = 10*, ...]", True),
    ],
)  # fmt: skip
def test_fields_between_spaces(pattern, holds):
    assert compiled(pattern)(LINE) is holds


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{ $.a = 1", "If a filter pattern starts with '{' it must end with '}'"),
        ("{", "If a filter pattern starts with '{' it must end with '}'"),
        ("[time, level=ERROR, msg", "If a filter pattern starts with '[' it must end with ']'"),
        ("?Status: timeout", "Invalid character(s) in term ':'"),
        ("finished (in 3 s)", "Invalid character(s) in term '('"),
        ("`ERROR`", "Invalid character(s) in term '`'"),
        ("ap-northeast-1", "Invalid character(s) in term '-'"),
        ("ERROR*", "Invalid character(s) in term '*'"),
        ('{ $."sc-status" = 5* }', "Invalid character(s) in term '$.\"'"),
        ("{ $.a = foo@bar }", "Invalid character(s) in term '@'"),
        ("[...fields, status=FAILED]", "Invalid character(s) in term '...fields'"),
        ("%something!%", "Invalid character(s) in term '!'"),
        (r"%a\(b\)%", "Invalid character(s) in term '()'"),
        ("%a b%", "Invalid character(s) in term ' '"),
        ("%[%", "Invalid filter pattern"),
        ('"open', "Invalid filter pattern"),
        ("-", "Invalid character(s) in term '-'"),
        ("{ }", "Invalid filter pattern"),
        ("{ $.a }", "Invalid filter pattern"),
        ("{ $.a = }", "Invalid filter pattern"),
        ("{ $.a = 1 && }", "Invalid filter pattern"),
        ("{ ($.a = 1 }", "Invalid filter pattern"),
        ("{ $.a = 1) }", "Invalid filter pattern"),
        ("{ $.a = 1 $.b = 2 }", "Invalid filter pattern"),
        ("{ $.a > b }", "Invalid filter pattern"),
        ('{ $.a > "1" }', "Invalid filter pattern"),
        ("{ $.a IS 1 }", "Invalid filter pattern"),
        ("{ $.a & $.b }", "Invalid filter pattern"),
        ("{ a = 1 }", "Invalid character(s) in term 'a'"),
        ("{ $.a = %x% || $.b = %y% || $.c = %z% }", "Invalid filter pattern"),
        ("[..., a, ...]", "Invalid filter pattern"),
        ("[ip, status_code = 4* && bytes > 1000]", "Invalid filter pattern"),
    ],
)
def test_what_is_no_pattern_is_refused_in_aws_s_words(pattern, words):
    with pytest.raises(BadPattern) as wrong:
        compiled(pattern)
    assert str(wrong.value) == words
