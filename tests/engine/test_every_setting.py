"""Every setting of a running poc stack, to another value and back, by the real engine (prod: test_prod)."""

from __future__ import annotations

import pytest

from tests.support.every_setting import (
    CHANGES,
    ELSEWHERE,
    ONE_WAY,
    allow_boundary,
    left_to_do,
    refused_preview,
    values,
)
from tests.support.local_stack import local_stack

HAD, PROD = values("poc"), values("prod")
UNPROTECTED = {"flowLogs": "true", "accessLogs": "true", "databaseLogs": "true", "protect": "true"}
"""What only an unprotected stack gives up again; and the protection itself."""
WANTED = {
    key: PROD[key] if value == HAD[key] else value for key, value in (CHANGES | UNPROTECTED).items()
}
REFUSED = {"vpcCidr": "10.1.0.0/16", "zones": "ap-northeast-1c,ap-northeast-1d"}
STORAGE = {"databaseStorageGb": HAD["databaseStorageGb"]}
"""It was made larger, and storage only grows."""


class Life:
    """Stage 2, every setting changed and put back, and what was refused before anything was made."""

    def __init__(self, stack):
        stack.up(ecsEnabled="true")
        allow_boundary(stack)
        self.changed = stack.up(**WANTED, **ONE_WAY)
        self.after_change = left_to_do(stack)
        stack.up(protect="false")  # what lies in a log group or a bucket is let go of only then
        self.back = stack.up(**{key: HAD[key] for key in WANTED})
        self.after_back = left_to_do(stack)
        state = stack.state()
        self.refused = {
            key: refused_preview(stack, {key: value}) for key, value in (REFUSED | STORAGE).items()
        }
        self.untouched = stack.state() == state
        self.destroyed = stack.destroy()
        self.left = stack.resources()


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    with local_stack(tmp_path_factory.mktemp("every")) as stack:
        yield Life(stack)


def test_every_setting_is_changed_here_or_where_it_is_said():
    elsewhere = set(ELSEWHERE) - set(UNPROTECTED)
    assert sorted([*WANTED, *ONE_WAY, *REFUSED, *elsewhere]) == sorted(HAD), (
        "each setting stands once in the tables of tests/support/every_setting.py, or in REFUSED here"
    )
    assert [key for key, value in (WANTED | ONE_WAY).items() if HAD[key] == value] == []


def test_nothing_is_left_to_change_after_all_of_them_changed_and_after_they_were_put_back(life):
    assert (life.after_change, life.after_back) == ([], [])


@pytest.mark.parametrize("key", [*REFUSED, *STORAGE])
def test_what_a_stack_keeps_is_not_changed_but_refused_before_anything_is_made(life, key):
    assert f"{key}: {(REFUSED | STORAGE)[key]} is refused: this stack has" in life.refused[key]
    assert "`pulumi destroy` first" in life.refused[key]
    assert life.untouched


def test_a_destroy_then_leaves_nothing(life):
    assert life.left == []
