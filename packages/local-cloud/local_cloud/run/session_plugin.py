"""The stand-in for AWS's session-manager-plugin in a local cloud's shell, with the same arguments and output.

It uses the standard library only, because it starts with every tunnel. It connects to the local cloud by TCP on
loopback, not by AWS's encrypted WebSocket: it sends the session's token, then the bytes.
"""

import asyncio
import json
import os
import sys
from contextlib import suppress
from urllib.parse import urlsplit

VERSION = "1.2.707.0 (the local cloud's stand-in)"
CHUNK = 65536


async def forward(session: dict[str, str], port: int) -> None:
    """Listen on 127.0.0.1 and forward every connection to the session's target."""
    target = urlsplit(session["StreamUrl"])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target_reader, target_writer = await asyncio.open_connection(
                target.hostname, target.port
            )
            target_writer.write(session["TokenValue"].encode() + b"\n")
            await asyncio.gather(_copy(reader, target_writer), _copy(target_reader, writer))
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    opened = server.sockets[0].getsockname()[1]
    print(f"Port {opened} opened for sessionId {session['SessionId']}.", flush=True)
    print("Waiting for connections...", flush=True)
    await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()


def main(arguments: list[str]) -> int:
    """Forward a port for ``VARIABLE REGION StartSession PROFILE REQUEST ENDPOINT``, the AWS CLI's arguments."""
    if arguments == ["--version"]:
        print(VERSION)
        return 0
    if len(arguments) != 6 or arguments[2] != "StartSession":
        print(
            "session-manager-plugin is started by the AWS CLI, or by a program that opens a tunnel",
            file=sys.stderr,
        )
        return 1
    session, request = json.loads(os.environ[arguments[0]]), json.loads(arguments[4])
    port = int(request["Parameters"].get("localPortNumber", ["0"])[0])
    try:
        asyncio.run(forward(session, port))
    except OSError as taken:
        print(f"Unable to listen on port {port}: {taken.strerror}")
        return 1
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
