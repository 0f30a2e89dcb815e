"""The door of the API, as a socket of ours: so that a taken one is said in one line, and port 0 has its number."""

import socket

from eucora.cli.console import MISUSED, fail

BACKLOG = 2048  # connections that the kernel keeps until we take them


def listener(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Ends the command where the door is taken or is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or "there is no such port"
        fail(
            f"cannot listen on {host}:{port}: {why}; choose another address (--host, --port, EUCORA_HOST, EUCORA_PORT)",
            MISUSED,
        )
