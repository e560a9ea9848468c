"""Running the app with uvicorn."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from polyscene.errors import SettingsError
from polyscene.logs import get_logger
from polyscene.server.heap import one_heap
from polyscene.server.spans import check_tracing
from polyscene.workspace import Workspace

__all__ = ["LOCAL", "leave_with_parent", "serve", "take_turns"]

LOCAL = ("127.0.0.1", "localhost", "::1")
"""Where a service without keys may listen."""
_STOP_S = 10
_IDLE_S = 75
"""How long a connection may be idle: longer than proxies and clients leave one, so that none sends
a request into a connection that is just being closed."""
_SWITCH_S = 0.0005
"""How long one thread may keep the others from running: ten times shorter than Python's own, as
answers, commits and the event loop take turns every millisecond."""
_LOOK_S = 0.05
"""Seconds between two looks whether workers listen."""
_NOT_STARTED = 3
"""The exit code of uvicorn for a service that could not start."""
_PARENT_VARIABLE = "POLYSCENE_PARENT"
"""The environment variable that tells a worker the process that started it."""
_log = get_logger(__name__)


def serve(
    path: Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    begin: Callable[[int], object] = lambda port: None,
) -> None:
    """Serve a workspace until SIGTERM or SIGINT; requests under way are answered first.

    Args:
        path: The workspace.
        host: Where to listen.
        port: On which port; 0 for any that is free.
        workers: Processes that answer.
        begin: Called with the port once it listens, of several workers the first.

    Raises:
        SettingsError: When the service would be open to others without a key.
        WorkspaceError: When there is no workspace.
    """
    with Workspace.open(path) as workspace:  # what is wrong is said before workers start
        keys = workspace.store.service_keys()
        check_tracing(workspace.settings.traces)
    if host not in LOCAL and not keys:
        raise SettingsError(
            f"cannot listen on {host}: without a key, anybody could read and write everything; "
            f"make one with: polyscene keys add NAME --role admin"
        )
    port = port or _free_port(host)
    take_turns()
    one_heap()
    import uvicorn

    from polyscene.server.app import WORKSPACE_VARIABLE, create_app
    from polyscene.server.dashboard.session import SECRET_VARIABLE

    options = {
        "host": host,
        "port": port,
        "access_log": False,
        "server_header": False,
        "log_level": "warning",
        "timeout_graceful_shutdown": _STOP_S,
        "timeout_keep_alive": _IDLE_S,
    }
    if workers == 1:

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                begin(port)

        app = create_app(Workspace.open(path))
        server = Server(uvicorn.Config(app, **options))  # type: ignore[arg-type]
        with suppress(KeyboardInterrupt):  # raised again after the stop
            server.run()
        if not server.started:
            sys.exit(_NOT_STARTED)
        return
    with tempfile.TemporaryDirectory() as together:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = together
        os.environ[_PARENT_VARIABLE] = str(os.getpid())
        os.environ[WORKSPACE_VARIABLE] = str(path.resolve())
        os.environ.setdefault(SECRET_VARIABLE, secrets.token_hex(32))  # one for all workers
        told = threading.Thread(target=_when_listening, args=(host, port, begin), daemon=True)
        told.start()
        uvicorn.run(
            "polyscene.server.app:from_environment",
            factory=True,
            workers=workers,
            **options,  # type: ignore[arg-type]
        )


def _free_port(host: str) -> int:
    """A port that nothing listens on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        found: int = probe.getsockname()[1]
    return found


def _when_listening(host: str, port: int, begin: Callable[[int], object]) -> None:
    """Call `begin` when a worker of this process listens.

    Workers are started once the port is theirs, so nobody else answers on it then.
    """
    while not multiprocessing.active_children():
        time.sleep(_LOOK_S)
    while True:
        with suppress(OSError), socket.create_connection((host, port), _STOP_S):
            break
        time.sleep(_LOOK_S)
    begin(port)


def leave_with_parent(every_s: float = 1.0) -> None:
    """Stop this worker when the process that started it is gone, so that the port becomes free.

    Args:
        every_s: Seconds between two looks.
    """
    # Not asked of the system: the parent may be gone before this worker has come so far.
    parent = int(os.environ[_PARENT_VARIABLE])

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(every_s)
        _log.error("the process that started this worker is gone: it stops")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def take_turns() -> None:
    """Let the threads of this process take turns more often."""
    sys.setswitchinterval(_SWITCH_S)
