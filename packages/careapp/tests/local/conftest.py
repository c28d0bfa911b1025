"""The data plane of the local cloud's own tests."""

from tests.dataplane.conftest import (  # noqa: F401 - fixtures
    pytest_collection_modifyitems,
    running,
)
