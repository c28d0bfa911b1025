"""What all tests of the local cloud have."""

from tools.tests.conftest import _without_known_values, clock_in  # noqa: F401 - autouse fixtures
