"""A `Service` under uvicorn, which ends when it is told to, in order."""

import contextlib
import signal
import socket
from collections.abc import Callable
from collections.abc import Iterator

import uvicorn

from nextitnet_tf.serving.app import make_app
from nextitnet_tf.serving.service import Service

# Seconds that those who are served have when the server is told to end.
_LAST_ANSWERS = 30
_MOST_CONNECTIONS = 1000


def bind(host: str, port: int) -> socket.socket:
    """A socket of an address that nobody has; nobody is listened to yet.

    Raises:
        OSError: the address is taken, or is none of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise OSError(
            f"Expected a free address of this machine. Received: {host}:{port} "
            f"({error.strerror})"
        ) from error
    return bound


def serve(
    service: Service, bound: socket.socket, started: Callable[[], None]
) -> None:
    """Answers until SIGTERM or SIGINT; what was begun then is finished.

    Args:
        service: which is closed in the end.
        bound: where to listen.
        started: called when requests are taken.
    """
    config = uvicorn.Config(
        make_app(service),
        # What a client does wrong it is told itself.
        log_level="error",
        access_log=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_LAST_ANSWERS,
    )
    _Server(config, started).run(sockets=[bound])


class _Server(uvicorn.Server):
    """A server to which a signal is no failure: the process goes on to end."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]):
        super().__init__(config)
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {n: signal.signal(n, self.handle_exit) for n in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
