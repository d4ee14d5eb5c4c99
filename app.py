"""Composition root: settings -> services -> Flask application -> background workers."""

from __future__ import annotations

import socket
import sys
from multiprocessing.util import Finalize

from flask import Flask
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from settings import Settings


def create_app() -> Flask:
    """The application with its workers running; called once, inside the server's worker process."""
    from application import compose

    application = compose(Settings())
    application.start()
    # The server's worker ends without running atexit handlers; finalizers of multiprocessing run.
    Finalize(application, application.stop, exitpriority=100)
    return application.flask


def serve(factory: str = "app:create_app") -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are finished, then all is flushed."""
    settings = Settings()
    _refuse_taken_port(settings.host, settings.port)
    Server(
        factory,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        factory=True,
        workers=1,
        blocking_threads=settings.blocking_threads,
        backpressure=settings.backpressure_requests,
        websockets=False,
        log_level=LogLevels.error,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
    ).serve()


def _refuse_taken_port(host: str, port: int) -> None:
    # The server shares its port (SO_REUSEPORT): a second one would answer half of the requests.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            sys.exit(f"error: cannot listen on {host}, port {port}: {error.strerror}")


if __name__ == "__main__":
    from fairreel import main

    sys.exit(main(["run", *sys.argv[1:]]))
