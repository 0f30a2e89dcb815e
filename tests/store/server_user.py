"""A process that uses an embedded server, for tests: ``python server_user.py ROOT``.

Says ``ready`` once the server answers, and leaves when its input ends, saying whether it stopped the server.
"""

import sys
from pathlib import Path

from eucora.store.embedded import EmbeddedPostgres


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    postgres = EmbeddedPostgres(Path(sys.argv[1]))
    postgres.start()
    say("ready")
    sys.stdin.read()
    say(f"stopped {postgres.stop()}")
