"""A real PostgreSQL server in a folder of its own, on a free port of 127.0.0.1."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg

from benchmarks.ports import free_port
from tests.programs_of_system import program

USER = "fairreel"
_STARTED_WITHIN_S = 30.0


class PostgresServer:
    """Made by `start`, ended by `stop`; it also ends when the process that started it does.

    As root it runs as the user postgres, which refuses to be root. Commits reach the disk as they
    do by default. Databases are ordered by a language, as many are: what depends on the order of
    text shows.
    """

    def __init__(self, options: Sequence[str] = ("-c", "max_connections=300")) -> None:
        self._options = options
        self.folder = Path(tempfile.mkdtemp(prefix="fairreel-postgres-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self._run(
            "initdb", "--pgdata", self._data, "--username", USER, "--auth", "trust",
            "--encoding", "UTF8", "--locale", "C.UTF-8", "--locale-provider", "icu",
            "--icu-locale", "en-US", "--no-sync",
        )  # fmt: skip

    def start(self) -> None:
        """Start it and return when it takes connections."""
        with (self.folder / "log").open("ab") as log:
            # Ends with us, however we end: the signal for a fast shutdown at our death.
            self._process = subprocess.Popen(
                [*self._as_user("--pdeathsig", "INT"), program("postgres"), "-D", self._data,
                 "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
                 "-c", "unix_socket_directories=", "-c", "shared_buffers=64MB", *self._options],
                stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd="/",
            )  # fmt: skip
        deadline = time.monotonic() + _STARTED_WITHIN_S
        while not self._answers():
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a crash does: no session is told, nothing is flushed."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """End it, whoever is connected."""
        self._end(signal.SIGINT)

    def remove(self) -> None:
        """End it and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def require_password(self, password: str) -> None:
        """From now on whoever comes in needs the password."""
        with self.connect() as connection:
            connection.execute(f"ALTER USER {USER} PASSWORD '{password}'")
            (self.folder / "data" / "pg_hba.conf").write_text("host all all all scram-sha-256\n")
            connection.execute("SELECT pg_reload_conf()")

    def url(self, database: str) -> str:
        """For SQLAlchemy."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A connection of its own; each statement is a transaction."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, dbname=database, autocommit=True
        )

    def said(self) -> str:
        """What it has logged."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._as_user(), program(name), *arguments], capture_output=True, text=True,
            check=False, cwd="/",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def _as_user(self, *further: str) -> list[str]:
        root = os.geteuid() == 0
        user = ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if root else []
        return [program("setpriv"), *user, *further] if user or further else []
