"""A real PostgreSQL server of the tests' own: in a temporary folder, on a port of this machine, with a password."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

USER = "budgetnet"
PASSWORD = "p@ss/word"  # has to be written %40 and %2F in a URL


def programs() -> Path | None:
    """The folder of the server's programs: on the path, or where Debian has them."""
    on_path = shutil.which("pg_ctl")
    if on_path is not None and shutil.which("initdb") is not None:
        return Path(on_path).parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: float(path.parent.name))


def _account() -> dict[str, Any]:
    """PostgreSQL refuses to run as root; Debian's package makes an account for it."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


class Server:
    """A server that can be stopped and started again, with what it holds."""

    def __init__(self, folder: Path, found: Path) -> None:
        self._data, self._programs = folder / "data", found
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        options = ["--auth=scram-sha-256", f"--username={USER}", f"--pwfile={password}", "--no-sync", "--encoding=UTF8"]
        self._run("initdb", "-D", self._data, "--locale=C", *options)

    @property
    def url(self) -> str:
        """As a user gives it, to the database `postgres`."""
        return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Returns when it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder} -c fsync=off"
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", self._folder / "log", "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """`fast` ends connections, `immediate` is a crash."""
        self._run("pg_ctl", "stop", "-w", "-m", mode, "-D", self._data)

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the server keeps it: a pipe would never end
            stderr=subprocess.DEVNULL,
            check=False,
            **_account(),
        )
        log = self._folder / "log"
        assert done.returncode == 0, f"{program}: {log.read_text() if log.exists() else done.returncode}"


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A running server, stopped and removed in the end. Skips the test where there is none to run."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL server: Debian's package is `postgresql`")
    folder = Path(tempfile.mkdtemp(prefix="budgetnet-postgresql-"))
    try:
        made = Server(folder, found)
        made.start()
        try:
            yield made
        finally:
            with contextlib.suppress(AssertionError):  # a test may have stopped it
                made.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
