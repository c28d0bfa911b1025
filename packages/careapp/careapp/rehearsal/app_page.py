"""Requests the app's page of a rehearsal, as a browser does."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import httpx

from ecs_gate.parts.browser import REDIRECTS, request_to_same_host


@dataclass(frozen=True)
class Page:
    """The listener that serves the app. ``authority`` is its CA certificate file; "" without HTTPS."""

    url: str
    authority: str = ""
    plain: str = ""
    """The URL of the HTTP listener that must redirect to it; "" when there is none."""

    @classmethod
    def of(cls, listeners: Sequence[Mapping[str, str]]) -> Self | None:
        """Return the page of the local cloud's listeners, or None without a listener."""
        secure = [listener for listener in listeners if listener.get("authority")]
        plain = [listener["url"] for listener in listeners if not listener.get("authority")]
        if secure:
            return cls(secure[0]["url"], secure[0]["authority"], plain[0] if plain else "")
        return cls(plain[0]) if plain else None

    def get(self, url: str = "", host: str = "", seconds: float = 10) -> tuple[int, str, str]:
        """Return status, text and final URL. Without a trusted answer return status 0 and the reason.

        ``host`` is the name that users open. Of a redirect to another host, return it and where it leads.
        """
        trust = ssl.create_default_context(cafile=self.authority) if self.authority else False
        url = url or self.url
        try:
            with httpx.Client(verify=trust, timeout=seconds, trust_env=False) as client:
                answer = client.get(url, headers={"Host": host} if host else {})
                for _ in range(REDIRECTS):
                    if not (following := request_to_same_host(answer)):
                        break
                    answer = client.send(following)
        except httpx.HTTPError as problem:
            return 0, str(problem), url
        there = answer.next_request
        return answer.status_code, answer.text, str(there.url if there else answer.url)
