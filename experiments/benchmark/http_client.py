"""Requests at a fixed rate, each timed from when it was due.

A client that waits for an answer before it sends the next request measures a
slow service less often than a fast one. Here a request that could not be sent
in time has waited, too.
"""

import asyncio
import json
import time
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

_CONNECTIONS = 64


@dataclass(frozen=True)
class Sent:
    """A request and what became of it.

    Attributes:
        seconds: from when it was due to its answer.
        status: of HTTP; 0 where there was no answer.
        is_right: whether it is what was expected.
        at: when it was answered, by `time.monotonic`.
    """

    seconds: float
    status: int
    is_right: bool
    at: float


@dataclass(frozen=True)
class Request:
    """What is sent, and what is expected.

    Attributes:
        body: of POST /recommend.
        expects: given status and content, whether that is right.
    """

    body: bytes
    expects: Callable[[int, dict], bool]


def good(history: list[int], k: int) -> Request:
    """One that gets k items."""
    body = json.dumps({"history": history, "k": k}).encode()

    def expects(status: int, content: dict) -> bool:
        answers = content.get("recommendations", [])
        return status == 200 and [len(a["items"]) for a in answers] == [k]

    return Request(body, expects)


def bad(body: bytes, expected: int) -> Request:
    """One that is refused, in a sentence."""

    def expects(status: int, content: dict) -> bool:
        return status == expected and "Expected" in content.get("error", "")

    return Request(body, expects)


async def send_at_rate(
    port: int, requests: Sequence[Request], rate: float
) -> list[Sent]:
    """Sends all, one each 1 / rate seconds, over connections that stay."""
    start = time.monotonic() + 0.1

    async def send(first: int) -> list[Sent]:
        sent = []
        async with _Connection(port) as connection:
            for i in range(first, len(requests), _CONNECTIONS):
                due = start + i / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                sent.append(await connection.send(requests[i], due))
        return sent

    found = await asyncio.gather(*map(send, range(_CONNECTIONS)))
    return [one for sent in found for one in sent]


async def send_at_once(
    port: int, requests: Sequence[Request], seconds: float, connections: int
) -> list[Sent]:
    """Sends as fast as answers come, for so many seconds."""
    end = time.monotonic() + seconds

    async def send(first: int) -> list[Sent]:
        sent = []
        async with _Connection(port) as connection:
            i = first
            while (now := time.monotonic()) < end:
                request = requests[i % len(requests)]
                sent.append(await connection.send(request, now))
                i += connections
        return sent

    found = await asyncio.gather(*map(send, range(connections)))
    return [one for sent in found for one in sent]


class _Connection:
    """A connection that stays, and is opened again where it was closed."""

    def __init__(self, port: int):
        self._port = port
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> "_Connection":
        return self

    async def __aexit__(self, *error: object) -> None:
        self._close()

    async def send(self, request: Request, due: float) -> Sent:
        """One request, and its answer."""
        try:
            status, content = await self._send(request.body)
            is_right = request.expects(status, content)
        except (OSError, ValueError, asyncio.IncompleteReadError):
            status, is_right = 0, False
            self._close()
        now = time.monotonic()
        return Sent(now - due, status, is_right, now)

    async def _send(self, body: bytes) -> tuple[int, dict]:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self._port
            )
        self._writer.write(
            b"POST /recommend HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split()[0])
        content = json.loads(await self._reader.readexactly(length))
        if b"connection: close" in head:
            self._close()
        return int(head.split()[1]), content

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
