"""Variables and quotation marks of a Dockerfile: a table by the rules of BuildKit's Lex."""

import pytest

from local_cloud.building import lex

KNOWN = {
    "A": "/usr/local/bin",
    "B": "a b",
    "NULL": "",
    "V": "v1.2.3",
    "STAR": "x*y*z",
    "日本": "は",
}
EXPANDED = {
    # quotation marks and escapes
    "plain text": "plain text",
    "'one two'": "one two",
    "'$A'": "$A",
    '"$A"': "/usr/local/bin",
    '"it\'s"': "it's",
    "'say \"x\"'": 'say "x"',
    r"\$A": "$A",
    r'"\$A"': "$A",
    r"'\$A'": r"\$A",
    r"a\ b": "a b",
    r"\a": "a",
    r'"\a"': r"\a",
    r'"a\"b"': 'a"b',
    "a\\": "a",
    "a'b'\"c\"d": "abcd",
    "''": "",
    # variables
    "$A": "/usr/local/bin",
    "${A}": "/usr/local/bin",
    "x${A}y$B": "x/usr/local/binya b",
    "$A/x:$NULL:": "/usr/local/bin/x::",
    "$NONE": "",
    "$": "$",
    "a$ b": "a$ b",
    "$.": "$.",
    "$$": "",
    "$1x": "x",
    "$日本": "は",
    "$Ax": "",
    # a default, another value, a message
    "${NONE-d}": "d",
    "${NONE:-d}": "d",
    "${NULL-d}": "",
    "${NULL:-d}": "d",
    "${V:-d}": "v1.2.3",
    "${NONE:-${NULL:-$V}}": "v1.2.3",
    "${NONE:-'a}b'}": "a}b",
    r"${NONE:-a\}b}": "a}b",
    "${NONE+y}": "",
    "${NULL+y}": "y",
    "${NULL:+y}": "",
    "${V:+y$V}": "yv1.2.3",
    "${V?no}": "v1.2.3",
    "${NULL?no}": "",
    # patterns
    "${A#/*/}": "local/bin",
    "${A##*/}": "bin",
    "${A%/*}": "/usr/local",
    "${A%%/*}": "",
    "${A%/bin}": "/usr/local",
    "${V#v}": "1.2.3",
    "${V#x}": "v1.2.3",
    "${V%.?}": "v1.2",
    "${V%%.*}": "v1",
    r"${STAR#x\*}": "y*z",
    "${V/./-}": "v1-2.3",
    "${V//./-}": "v1-2-3",
    "${V/2/$NONE}": "v1..3",
    r"${A//\//-}": "-usr-local-bin",
    "${B/a*/c}": "c",
    "${NONE/a/b}": "",
}
REFUSED = ("'", '"', "\"a'", "${", "${}", "${A", "${A:x}", "${:A}", "${{A}}", "${A!b}", "${NONE?}")
REFUSED += ("${NULL:?}", "${NONE:?say why}", "${A/x}", r"${A#\x}", "${A-b", "${A:}")


@pytest.mark.parametrize(("text", "expected"), EXPANDED.items(), ids=list(EXPANDED))
def test_text_is_expanded(text, expected):
    assert lex.expand(text, KNOWN) == expected


@pytest.mark.parametrize("text", REFUSED)
def test_text_is_refused(text):
    with pytest.raises(ValueError, match="say why" if "say why" in text else None):
        lex.expand(text, KNOWN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", ["a", "b"]),
        ("A='b c' D=\"e 'f\"", ["A='b c'", 'D="e \'f"']),
        (r"A=b\ c d", [r"A=b\ c", "d"]),
        ("A=$B x", ["A=$B", "x"]),
        ("A='b", ["A='b"]),
        ("", []),
    ],
)
def test_words_keep_their_quotation_marks(text, expected):
    assert lex.words(text) == expected


def test_another_escape_character_leaves_the_backslash_alone():
    assert lex.expand(r"c:\x`$A", KNOWN, "`") == r"c:\x$A"
    assert lex.words(r"c:\x` y z", "`") == [r"c:\x` y", "z"]


def test_heredoc_has_variables_and_no_quotation_marks():
    assert lex.expand('it\'s "$V" \\$V', KNOWN, quotes=False) == 'it\'s "v1.2.3" $V'
