"""The page that a rehearsal looks at: where it is, and fetching it as a browser would."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """The listener that serves. ``authority`` is the file with who vouches for it; "" without HTTPS."""

    url: str
    authority: str = ""
    plain: str = ""
    """The listener beside it that must lead to it; "" when there is none."""

    @classmethod
    def of(cls, listeners: Sequence[Mapping[str, str]]) -> Page | None:
        """By what the local cloud says of its listeners; None when there is none."""
        secure = [each for each in listeners if each.get("authority")]
        plain = [each["url"] for each in listeners if not each.get("authority")]
        if secure:
            return cls(secure[0]["url"], secure[0]["authority"], plain[0] if plain else "")
        return cls(plain[0]) if plain else None

    def get(self, url: str = "") -> tuple[int, str, str]:
        """Status, text and address in the end; status 0 and the reason when nobody answers or is trusted."""
        url = url or self.url
        trust = ssl.create_default_context(cafile=self.authority) if self.authority else None
        try:
            with urllib.request.urlopen(url, timeout=10, context=trust) as answer:  # noqa: S310 - a loopback address
                return answer.status, answer.read().decode(errors="replace"), answer.url
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.read().decode(errors="replace"), answer.url
        except OSError as problem:
            return 0, str(problem), url
