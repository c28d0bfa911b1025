"""The settings that add a resource for the app, which every task finds in the key's `variable`."""

from stack.rules import Key
from stack.uploads import UPLOADS_ENABLED

APP_RESOURCES: tuple[Key[bool], ...] = (UPLOADS_ENABLED,)
"""Their components are in the list of the same name in `__main__`."""
