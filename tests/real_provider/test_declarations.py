"""HashiCorp's AWS provider applies what the program declares, in the local cloud, and plans what our stand-ins plan."""

from __future__ import annotations

import pytest

from tools.local_cloud.paths import ROOT

pytestmark = pytest.mark.slow


def test_every_resource_is_created_at_the_first_try(life):
    assert life.held == life.declared


def test_a_second_plan_is_empty(life):
    assert life.left == {}


def test_a_change_of_all_settings_is_planned_as_pulumi_did_it(life):
    differing = {
        address: (life.previewed.get(address), life.planned.get(address))
        for address in {*life.previewed, *life.planned}
        if life.previewed.get(address) != life.planned.get(address)
    }
    assert differing == {}, "what Pulumi did, and what the provider plans"
    assert len(life.planned) > 10


def test_a_destroy_leaves_nothing(life):
    assert life.after == set()


def test_the_readme_has_the_number_of_resources(life):
    """In both languages, from this run."""
    number = f"{life.stack} {len(life.declared)}"
    for page in ("README.md", "README.ja.md"):
        assert number in (ROOT / page).read_text().replace("`", ""), number
