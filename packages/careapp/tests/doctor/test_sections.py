"""A section is told by what differs from the nearest earlier one."""

from tests.said import section

SAID = {
    "first": {"seen": ["one", "two", "three"], "why": ["because"], "evidence": []},
    "no cause": {"seen": ["one", "two", "three"], "why": [], "evidence": ["| log"]},
    "another middle": {"seen": ["one", "TWO", "three"], "why": ["because"], "evidence": []},
    "without the middle": {"seen": ["one", "three"], "why": ["because"], "evidence": []},
    "the same": {"seen": ["one", "two", "three"], "why": ["because"], "evidence": []},
    "more log": {"seen": ["zero"], "why": [], "evidence": ["| log", "| more"]},
}
WRITTEN = [
    ["first", "one", "two", "three", "because"],
    ["no cause", "  no why", "| log"],
    ["another middle", "  … 1", "TWO", "  … 3"],
    ["without the middle", "  … 1, 3"],
    ["the same"],
    ["more log ← no cause", "zero", "  … 1", "| more"],
]


def test_section_has_what_differs_from_the_nearest_earlier_one():
    names = list(SAID)
    assert [
        section(name, names[: names.index(name)], SAID.__getitem__).split("\n") for name in names
    ] == WRITTEN
