"""A refresh sees what a colleague changes of a stack by AWS's API, argument by argument, and an update restores it."""

import pytest

from tests.real_provider.declared import STACKS, exported
from tests.support.drift import arguments, drifts, held
from tests.support.every_setting import allow_boundary
from tests.support.identity import identity_provider
from tests.support.local_stack import local_stack

pytestmark = pytest.mark.slow


def test_what_a_colleague_changes_is_seen_and_restored(tmp_path):
    """Of prod with all that can be turned on, which has each argument that poc has."""
    with identity_provider(tmp_path) as provider, local_stack(tmp_path / "prod", "prod") as stack:
        on, _ = STACKS["prod"](stack, provider)
        allow_boundary(stack)
        stack.up(**on)
        every = held(exported(stack))
        assert drifts(stack.calls, every) == {}
        assert len([*arguments(every)]) > 160
