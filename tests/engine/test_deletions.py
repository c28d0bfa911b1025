"""What a program no longer declares, and its page needs: `pulumi up` is red before Pulumi deletes it."""

from pathlib import Path

import pytest
import yaml

from local_cloud.engine.pulumi import PulumiFailed
from tests.support.local_stack import LocalStack, local_stack

TAKEN_OUT = yaml.safe_load(Path(__file__).with_name("deletions.yaml").read_text())
GROUPS = "infra/security_groups.py"
KEEP = '        rules.allow_https("app", task)\n'
MORE = '        rules.connect("app", task, "other", task, 9000)\n'
"""Two rules that no page needs."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with local_stack(tmp_path_factory.mktemp("deletions")) as stack:
        stack.edit(GROUPS, KEEP, KEEP + MORE)
        stack.up(ecsEnabled="true")
        yield stack
        # A resource with a hook after its deletion would make this need --run-program.
        stack.destroy()
        assert stack.resources() == []


def refused(stack: LocalStack) -> str:
    with pytest.raises(PulumiFailed) as red:
        stack.up()
    return red.value.output


def resources(stack: LocalStack) -> set[str]:
    return {resource["urn"] for resource in stack.resources()}


def test_what_the_page_needs_is_not_deleted_and_the_update_is_red_until_it_is_back(stack):
    before = resources(stack)
    files = {each["edit"][0] for each in TAKEN_OUT.values()}
    texts = {file: (stack.source / file).read_text() for file in files}
    for each in TAKEN_OUT.values():
        stack.edit(*each["edit"])
    for said in (refused(stack), refused(stack)):
        assert "this update would delete what its page needs; it was stopped before that" in said
        for what, each in TAKEN_OUT.items():
            assert each["says"] in said, what
            assert each["deletes"] in said, what
        assert "--refresh" not in said
        assert resources(stack) == before
    for file, text in texts.items():
        (stack.source / file).write_text(text)
    assert stack.up().steps == ()
    assert resources(stack) == before


def test_what_the_page_does_not_need_is_deleted(stack):
    before = resources(stack)
    stack.edit(GROUPS, KEEP + MORE, KEEP)
    stack.up()
    assert len(before) - len(resources(stack)) == 2
