"""Composition root: settings -> services -> Flask application -> background workers."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from multiprocessing import parent_process
from multiprocessing.util import Finalize

from flask import Flask
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from settings import Settings
from workers.parent_watch import watch_parent
from workers.processor import OneProcessor, confine

# A fifth of Python's default: the slowest answers come sooner, and none the later.
_SWITCH_INTERVAL_S = 0.001
_STOP_WITHIN_S = 10
"""What has not stopped after it is killed."""


def create_app() -> Flask:
    """The application with its workers running; called once, inside the server's worker process."""
    from application import compose

    _pass_termination_on()
    _end_with_supervisor()
    settings = Settings()
    application = compose(settings, processor=place_threads(settings))
    application.start()
    # The server's worker ends without running atexit handlers; finalizers of multiprocessing run.
    Finalize(application, application.stop, exitpriority=100)
    return application.flask


def place_threads(settings: Settings) -> OneProcessor | None:
    """Where the threads of this process run, and how long one keeps the interpreter from others."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    return confine() if settings.one_processor else None


def _pass_termination_on() -> None:
    # The worker's main thread waits without time-out; a signal that the kernel gives to another
    # thread would not wake it, and the worker would be killed unflushed after the grace period.
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    main = threading.main_thread().ident

    def wait() -> None:
        number = os.read(read_end, 1)[0]
        if main is not None:
            signal.pthread_kill(main, number)

    threading.Thread(target=wait, name="signals", daemon=True).start()


def _end_with_supervisor() -> None:
    """Stop as on SIGTERM when the process that started this one is gone, as by kill -9.

    Nobody would end this one otherwise: it would hold the port and answer on, unsupervised.
    """
    supervisor = parent_process()
    if supervisor is None:
        return

    def stop() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_STOP_WITHIN_S)
        os._exit(1)

    watch_parent(supervisor.sentinel, stop)


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
        # Detecting HTTP/2 would wait without limit for the first bytes of a connection.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=int(settings.header_read_timeout_s * 1000)),
        websockets=False,
        log_level=LogLevels.error,
        respawn_failed_workers=True,
        workers_kill_timeout=_STOP_WITHIN_S,
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
