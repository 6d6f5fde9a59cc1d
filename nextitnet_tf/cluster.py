"""The workers that the environment's TF_CONFIG names, and how they meet."""

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Sequence

VARIABLE = "TF_CONFIG"
_EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
_LOGGER = logging.getLogger(__name__)
_GO, _NO = b"go", b"no"
_PATIENCE = 0.5  # seconds, with one who calls


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a job, as one of them sees it.

    Attributes:
        addresses: of all, "host:port"; the first is the chief's.
        place: which of them this process is.
        job: what all workers have in common: their flags.
    """

    addresses: Sequence[str]
    place: int
    job: str = ""


def from_environment() -> Cluster:
    """The workers that TF_CONFIG names.

    A "chief" of the cluster is the first worker.

    Raises:
        ValueError: TF_CONFIG is missing, or names no workers of which this
            process is one.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        raise ValueError(
            f"Expected the environment variable {VARIABLE} to name the "
            f"workers and which of them this process is: {_EXAMPLE}. "
            "Received: none"
        )
    try:
        config = json.loads(text)
        jobs, task = config["cluster"], config["task"]
        chiefs, workers = jobs.get("chief", []), jobs.get("worker", [])
        index = int(task["index"])
        place = index + (len(chiefs) if task["type"] == "worker" else 0)
        addresses = [*chiefs, *workers]
        for address in addresses:
            _split(address)
        is_valid = (
            set(jobs) <= {"chief", "worker"}
            and 0 <= index < len(jobs[task["type"]])
            and len(set(addresses)) == len(addresses)
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        is_valid = False
    if not is_valid:
        raise ValueError(
            f"Expected {VARIABLE} to name workers, each by host and port, and "
            f"which of them this process is: {_EXAMPLE}. Received: {text}"
        )
    return Cluster(addresses, place, json.dumps(sys.argv[1:]))


def meet(cluster: Cluster, seconds: float) -> None:
    """Waits until all workers have begun.

    TensorFlow waits, too, but for an hour, deaf to Ctrl-C, and says not for
    whom. Here each worker calls at the chief's address, which is free until
    TensorFlow listens there, and goes on when the chief has heard of all.

    Args:
        cluster: of the environment.
        seconds: for how long.

    Raises:
        ConnectionError: not all have begun; the message says which.
    """
    until = time.monotonic() + seconds
    if cluster.place:
        _call(cluster, until, seconds)
    elif len(cluster.addresses) > 1:
        _wait_for_calls(cluster, until, seconds)


def _wait_for_calls(cluster: Cluster, until: float, seconds: float) -> None:
    _, port = _split(cluster.addresses[0])
    callers: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(_listening(port))
        while missing := _missing(cluster, callers):
            if time.monotonic() >= until:
                names = ", ".join(cluster.addresses[i] for i in missing)
                raise ConnectionError(
                    f"Waited {seconds:g} seconds for the workers that "
                    f"{VARIABLE} names; these have not begun: {names}"
                )
            try:
                caller, _ = server.accept()
                stack.enter_context(caller)
                caller.settimeout(_PATIENCE)
                place, _, job = caller.recv(99).decode().partition(" ")
                if job != _job(cluster) or int(place) not in range(
                    1, len(cluster.addresses)
                ):
                    caller.sendall(_NO)
                    _LOGGER.warning(
                        "refused a worker of another job: %s", place
                    )
                    continue
            except (OSError, ValueError):
                continue  # nobody yet, or no worker
            callers[int(place)] = caller
        for caller in callers.values():
            with contextlib.suppress(OSError):  # TensorFlow notices
                caller.sendall(_GO)


def _listening(port: int) -> socket.socket:
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        server = socket.create_server(
            ("", port), family=family, dualstack_ipv6=both
        )
    except OSError as error:
        raise ConnectionError(
            f"The chief cannot listen at port {port}, which {VARIABLE} gives "
            f"it: {error.strerror}"
        ) from None
    server.settimeout(_PATIENCE)
    return server


def _missing(cluster: Cluster, callers: dict[int, socket.socket]) -> list[int]:
    """Workers that have not called, or have ended since."""
    for place, caller in list(callers.items()):
        caller.setblocking(False)
        try:
            is_gone = caller.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            is_gone = False
        except OSError:
            is_gone = True
        if is_gone:
            del callers[place]
    return [i for i in range(1, len(cluster.addresses)) if i not in callers]


def _call(cluster: Cluster, until: float, seconds: float) -> None:
    chief, answer, why = _split(cluster.addresses[0]), b"", "no answer"
    call = f"{cluster.place} {_job(cluster)}".encode()
    while answer != _GO:
        left = until - time.monotonic()
        if left <= 0:
            raise ConnectionError(
                f"Waited {seconds:g} seconds for the chief at "
                f"{cluster.addresses[0]} ({why}), and for all workers that "
                f"{VARIABLE} names: start them together"
            )
        try:
            with socket.create_connection(chief, timeout=left) as connection:
                connection.sendall(call)
                answer = connection.recv(len(_GO))
        except OSError as error:
            why = str(error)
        if answer == _NO:
            raise ConnectionError(
                f"The chief at {cluster.addresses[0]} was started for another "
                "job: expected the same flags, and the same cluster in "
                f"{VARIABLE}, of all workers"
            )
        if answer != _GO:
            time.sleep(0.2)


def _job(cluster: Cluster) -> str:
    """What all workers of a job have in common: the cluster and the flags."""
    text = json.dumps([list(cluster.addresses), cluster.job])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not 0 < int(port) < 1 << 16:
        raise ValueError(address)
    return host.removeprefix("[").removesuffix("]"), int(port)
