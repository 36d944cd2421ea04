"""HEALTHCHECK of the image: exit 0 while `/health/live` answers 200.

Liveness, not readiness: memory pressure must never restart the container. Only `socket` is imported, since the few
megabytes of this process count against the container's memory limit too.
"""

import os
import socket
import sys

_SECONDS = 4.0


def alive(port: int) -> bool:
    request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as connection:
            connection.sendall(request)
            return connection.recv(64).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if alive(int(os.environ.get("BALLAST_SERVER__PORT", "8000"))) else 1)
