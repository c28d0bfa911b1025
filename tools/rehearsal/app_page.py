"""Requests the app's page of a rehearsal, as a browser does."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tools.snapshot.page import Redirects


@dataclass(frozen=True)
class Page:
    """The listener that serves the app. ``authority`` is its CA certificate file; "" without HTTPS."""

    url: str
    authority: str = ""
    plain: str = ""
    """The URL of the HTTP listener that must redirect to it; "" when there is none."""

    @classmethod
    def of(cls, listeners: Sequence[Mapping[str, str]]) -> Page | None:
        """Return the page of the local cloud's listeners, or None without a listener."""
        secure = [each for each in listeners if each.get("authority")]
        plain = [each["url"] for each in listeners if not each.get("authority")]
        if secure:
            return cls(secure[0]["url"], secure[0]["authority"], plain[0] if plain else "")
        return cls(plain[0]) if plain else None

    def get(self, url: str = "", host: str = "", seconds: float = 10) -> tuple[int, str, str]:
        """Return status, text and final URL. Without a trusted answer return status 0 and the reason.

        ``host`` is the name that users open. Of a redirect to another host, return it and where it leads.
        """
        url, redirects = url or self.url, Redirects()
        trust = ssl.create_default_context(cafile=self.authority) if self.authority else None
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=trust), urllib.request.ProxyHandler({}), redirects
        )
        asked = urllib.request.Request(url, headers={"Host": host} if host else {})  # noqa: S310 - a loopback address
        try:
            with opener.open(asked, timeout=seconds) as answer:
                return answer.status, answer.read().decode(errors="replace"), answer.url
        except urllib.error.HTTPError as answer:
            with answer:
                text = answer.read().decode(errors="replace")
                return answer.code, text, redirects.leads_to or answer.url
        except OSError as problem:
            return 0, str(problem), url
