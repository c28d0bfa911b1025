"""A load generator on loopback: requests at a fixed rate, to one port or to several targets in turn."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

CONNECTIONS = 8


@dataclass
class Load:
    """The results: latencies in seconds, and the time and kind of each failure."""

    latencies: list[float] = field(default_factory=list)
    failures: list[tuple[float, str]] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Return the number of requests that were not answered with 200."""
        return len(self.failures)

    def quantile(self, share: float) -> float:
        """Return the latency in seconds that this share of the requests was below."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

    def kinds(self) -> Counter[str]:
        """Return the number of failures by kind."""
        return Counter(what for _, what in self.failures)


class Client:
    """One keep-alive connection to one port at a time."""

    def __init__(self) -> None:
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._port = 0

    async def get(self, port: int, path: str) -> int:
        """Return the status of one request. Raises OSError or EOFError without a response."""
        if self._streams is None or self._port != port:
            await self.close()
            self._streams = await asyncio.open_connection("127.0.0.1", port)
            self._port = port
        reader, writer = self._streams
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").lower().split("\r\n")
            length = next(int(x[15:]) for x in lines if x.startswith("content-length:"))
            await reader.readexactly(length)
        except BaseException:
            await self.close()
            raise
        if "connection: close" in lines:
            await self.close()
        return int(lines[0].split()[1])

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._streams:
            self._streams[1].close()
            self._streams = None


async def ask(client: Client, port: int, path: str, load: Load, due: float) -> None:
    """Send one request; its latency counts from the time at which it was due."""
    try:
        status = await asyncio.wait_for(client.get(port, path), 10)
    except (TimeoutError, OSError, EOFError) as error:
        load.failures.append((time.monotonic(), type(error).__name__))
        return
    if status == 200:
        load.latencies.append(time.monotonic() - due)
    else:
        load.failures.append((time.monotonic(), str(status)))


async def steady(port: int, path: str, rate: float, seconds: float) -> Load:
    """Send `rate` requests a second over some connections, whether the server keeps up or not."""
    return await balanced(lambda: port, path, rate, seconds)


async def balanced(choose: Callable[[], int], path: str, rate: float, seconds: float) -> Load:
    """Send requests likewise, to the port that `choose` returns for each."""
    load = Load()

    async def lane(number: int) -> None:
        client = Client()
        due = time.monotonic() + number / rate
        until = due + seconds
        while due < until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await ask(client, choose(), path, load, due)
            due += CONNECTIONS / rate
        await client.close()

    await asyncio.gather(*(lane(number) for number in range(CONNECTIONS)))
    return load
