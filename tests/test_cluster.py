"""Who the workers of a job are, and how they meet."""

import dataclasses
import json
import socket
import threading

import pytest

from nextitnet_tf import cluster
from nextitnet_tf import distribution
from tests.test_several_workers import free_ports


def config(kind="worker", index=0, **jobs):
    return json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    ("text", "place", "count"),
    [
        (config(worker=["a:1"]), 0, 1),
        (config(index=1, worker=["a:1", "a:2"]), 1, 2),
        (config(index="1", worker=["a:1", "b:1", "[::1]:1"]), 1, 3),
        (config("chief", chief=["a:1"], worker=["b:1", "c:1"]), 0, 3),
        (config(index=1, chief=["a:1"], worker=["b:1", "c:1"]), 2, 3),
    ],
)
def test_who_the_workers_are(text, place, count, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    found = cluster.from_environment()
    assert (found.place, len(found.addresses)) == (place, count)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "worker",
        "[]",
        "null",
        "{}",
        config(),
        config(worker=[]),
        config(worker=["a:1"], index=1),
        config(worker=["a:1"], index=-1),
        config(worker=["a:1"], index=None),
        config(worker=["a"]),
        config(worker=["a:b"]),
        config(worker=["a:0"]),
        config(worker=["a:99999"]),
        config(worker=[1]),
        config(worker=["a:1", "a:1"]),
        config("chief", worker=["a:1"]),
        config("ps", worker=["a:1"], ps=["b:1"]),
        config(worker=["a:1"], evaluator=["b:1"]),
        json.dumps({"cluster": {"worker": ["a:1"]}}),
    ],
)
def test_what_names_no_workers(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="TF_CONFIG"):
        distribution.make_strategy("multi_worker")


def of(count):
    """The same cluster as each of its workers sees it."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
    return [cluster.Cluster(addresses, place) for place in range(count)]


def test_all_meet():
    workers = of(3)
    # Whoever knocks and is none of them keeps nobody.
    errors = []

    def meet(worker):
        try:
            cluster.meet(worker, 20)
        except ConnectionError as error:
            errors.append(error)

    def knock():
        host, port = workers[0].addresses[0].split(":")
        while True:
            try:
                with socket.create_connection((host, int(port))) as knocking:
                    knocking.sendall(b"GET / HTTP/1.1\r\n")
                with socket.create_connection((host, int(port))) as knocking:
                    knocking.sendall(b"2 another job")
                    assert knocking.recv(2) == b"no"
                return
            except OSError:
                continue

    threads = [threading.Thread(target=meet, args=[w]) for w in workers[:2]]
    threads.append(threading.Thread(target=knock))
    for thread in threads:
        thread.start()
    threads[-1].join()
    assert threads[0].is_alive() and threads[1].is_alive()
    meet(workers[2])
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert errors == []


def test_a_worker_that_does_not_come():
    chief, *_, last = of(3)
    errors = []

    def meet():
        try:
            cluster.meet(last, 3)
        except ConnectionError as error:
            errors.append(error)

    thread = threading.Thread(target=meet)
    thread.start()
    with pytest.raises(ConnectionError) as caught:
        cluster.meet(chief, 1.5)
    thread.join(20)
    assert len(errors) == 1
    assert chief.addresses[1] in str(caught.value)
    assert last.addresses[2] not in str(caught.value)


def test_a_chief_that_does_not_come():
    worker = of(2)[1]
    with pytest.raises(ConnectionError, match=worker.addresses[0]):
        cluster.meet(worker, 0.5)


def test_a_port_that_is_taken():
    chief = of(2)[0]
    _, port = chief.addresses[0].split(":")
    with (
        socket.create_server(("", int(port))),
        pytest.raises(ConnectionError, match=port),
    ):
        cluster.meet(chief, 5)


def test_one_worker_waits_for_nobody():
    cluster.meet(of(1)[0], 0.1)


def test_a_worker_that_has_ended_again():
    """It called, and is missing all the same."""
    chief, worker = of(2)
    host, port = chief.addresses[0].split(":")

    def call_and_end():
        call = f"1 {cluster._job(worker)}".encode()
        while True:
            try:
                with socket.create_connection((host, int(port))) as connection:
                    connection.sendall(call)
                return
            except OSError:
                continue

    thread = threading.Thread(target=call_and_end)
    thread.start()
    with pytest.raises(ConnectionError, match=chief.addresses[1]):
        cluster.meet(chief, 2)
    thread.join()


def test_a_worker_of_another_job():
    chief, worker = of(2)
    worker = dataclasses.replace(worker, job="--seed=1")
    errors = []

    def meet():
        try:
            cluster.meet(chief, 3)
        except ConnectionError as error:
            errors.append(error)

    thread = threading.Thread(target=meet)
    thread.start()
    with pytest.raises(ConnectionError, match="another job"):
        cluster.meet(worker, 20)
    thread.join()
    assert len(errors) == 1  # nobody else came


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6")
def test_addresses_of_version_6():
    addresses = [f"[::1]:{port}" for port in free_ports(2)]
    chief, worker = (cluster.Cluster(addresses, place) for place in (0, 1))
    thread = threading.Thread(target=cluster.meet, args=[worker, 20])
    thread.start()
    cluster.meet(chief, 20)
    thread.join()
