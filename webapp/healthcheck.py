"""The container's health check: exit code 0 if this container answers on /health, else 1."""

import http.client
import os
import sys

TIMEOUT = 3.0  # seconds; below the 5 that ECS gives the check by default


def address() -> tuple[str, int]:
    """Where the server listens; a server on all addresses is asked on loopback."""
    host = os.environ.get("BIND_HOST") or "0.0.0.0"  # noqa: S104
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
    return own.get(host, host), int(os.environ.get("PORT") or 3000)


def check() -> str | None:
    """Why the server is not healthy, or nothing."""
    connection = None
    try:
        host, port = address()
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"no answer on /health: {error}"
    finally:
        if connection:
            connection.close()
    return None if status == 200 else f"/health answers {status}"


if __name__ == "__main__":
    if problem := check():
        print(problem, file=sys.stderr)
        sys.exit(1)
