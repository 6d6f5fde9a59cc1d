"""The workers that the environment's TF_CONFIG names, and how they meet."""

import contextlib
import dataclasses
import json
import os
import socket
import time
from collections.abc import Sequence

VARIABLE = "TF_CONFIG"
_EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
_GO = b"go"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a job, as one of them sees it.

    Attributes:
        addresses: of all, "host:port"; the first is the chief's.
        place: which of them this process is.
    """

    addresses: Sequence[str]
    place: int


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
    return Cluster(addresses, place)


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
    missing = set(range(1, len(cluster.addresses)))
    _, port = _split(cluster.addresses[0])
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(socket.create_server(("", port)))
        except OSError as error:
            raise ConnectionError(
                f"The chief cannot listen at port {port}, which {VARIABLE} "
                f"gives it: {error.strerror}"
            ) from None
        callers = {}
        while missing:
            server.settimeout(max(until - time.monotonic(), 0.001))
            try:
                caller, _ = server.accept()
                stack.enter_context(caller)
                caller.settimeout(5)
                place = int(caller.recv(16))
            except TimeoutError:
                if time.monotonic() < until:
                    continue  # a caller that said nothing
                names = ", ".join(cluster.addresses[i] for i in sorted(missing))
                raise ConnectionError(
                    f"Waited {seconds:g} seconds for the workers that "
                    f"{VARIABLE} names; these have not begun: {names}"
                ) from None
            except (OSError, ValueError):
                continue  # no worker of ours
            callers[place] = caller
            missing.discard(place)
        for caller in callers.values():
            with contextlib.suppress(OSError):  # TensorFlow notices
                caller.sendall(_GO)


def _call(cluster: Cluster, until: float, seconds: float) -> None:
    chief = _split(cluster.addresses[0])
    answer = b""
    while answer != _GO:
        left = until - time.monotonic()
        if left <= 0:
            raise ConnectionError(
                f"Waited {seconds:g} seconds for the chief at "
                f"{cluster.addresses[0]}, and for all workers that "
                f"{VARIABLE} names: start them together"
            )
        try:
            with socket.create_connection(chief, timeout=left) as connection:
                connection.sendall(str(cluster.place).encode())
                answer = connection.recv(len(_GO))
        except OSError:
            pass
        if answer != _GO:
            time.sleep(0.2)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host:
        raise ValueError(address)
    return host, int(port)
