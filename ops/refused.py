"""What ops itself refuses to do, or could not bring to its end."""

from __future__ import annotations

from i18n import Text


class Refused(Exception):
    """``text`` names the value, the rule and the way out."""

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self.text = text
