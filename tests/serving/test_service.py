"""A service: batches, models that are replaced, an end in order."""

import os
import pathlib
import signal
import threading
import time
from concurrent.futures import CancelledError

import numpy as np
import pytest

from nextitnet_tf.serving import Limits
from nextitnet_tf.serving import Question
from nextitnet_tf.serving import Refused
from nextitnet_tf.serving import Service
from nextitnet_tf.serving.loaded_model import LoadedModel
from tests.test_recommending import markov_model

LIMITS = Limits(max_batch=4, max_items=8, max_waiting=20)
PATIENCE = 120  # seconds, on a busy machine


@pytest.fixture(name="path", scope="module")
def fixture_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("service") / "model.keras"
    markov_model().save(path)
    return path


@pytest.fixture(name="loaded", scope="module")
def fixture_loaded(path):
    """Warm once for all tests that need no model of their own."""
    return LoadedModel(path, LIMITS)


@pytest.fixture(name="service")
def fixture_service(path, loaded, monkeypatch):
    monkeypatch.setattr(
        "nextitnet_tf.serving.service.ModelProcess", lambda *_: loaded
    )
    service = Service(path, LIMITS)
    yield service
    service.close()


@pytest.fixture(name="held")
def fixture_held(service, monkeypatch):
    """The sizes of batches; none is computed before `go` is set."""
    sizes, go, begun = [], threading.Event(), threading.Event()
    answer = service.loaded.answer

    def held_answer(histories, *others):
        sizes.append(len(histories))
        begun.set()
        assert go.wait(PATIENCE)
        return answer(histories, *others)

    monkeypatch.setattr(service.loaded, "answer", held_answer)
    first = service.ask(Question([[31]], k=1))
    assert begun.wait(PATIENCE)
    yield sizes, go
    go.set()
    assert first.result(PATIENCE).answers[0].items == [35]


def items_of(future):
    return [answer.items for answer in future.result(PATIENCE).answers]


def wait_until(is_so):
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_answers_by_hand(service):
    """After item 1: 5, 4, 3, 2, 1; after 2 the reverse; after 4 ties."""
    reply = service.ask(
        Question([[31], [77, "32", 78], [34], [], [99]], k=3)
    ).result(PATIENCE)
    assert reply.model == service.loaded.about["model"]
    found = [vars(answer) for answer in reply.answers]
    names = ("items", "scores", "num_unknown", "is_popular")
    assert found == [
        dict(zip(names, values, strict=True))
        for values in (
            ([35, 34, 33], [5, 4, 3], 0, False),
            ([31, 33, 34], [5, 3, 2], 2, False),
            ([31, 32, 33], [2, 2, 2], 0, False),
            ([32, 33, 35], [50, 40, 30], 0, True),
            ([32, 33, 35], [50, 40, 30], 1, True),
        )
    ]
    # Fewer than k are left.
    assert items_of(service.ask(Question([[31, 34]], k=5))) == [[32, 33, 35]]
    assert items_of(service.ask(Question([]))) == []


def test_as_recommend_answers(service):
    model = markov_model()
    generator = np.random.default_rng(0)
    histories = [
        generator.integers(30, 38, length).tolist()
        for length in (0, 1, 2, 3, 4, 5, 6, 7, 8, 8)
    ]
    for k, exclude_seen in ((5, True), (2, False)):
        found = items_of(service.ask(Question(histories, k, exclude_seen)))
        assert found == model.recommend(histories, k, exclude_seen)


def test_of_a_history_that_is_too_long_the_latest_count(service):
    # 8 items at most: 33 is not seen any more.
    history = [33, *[31, 32] * 4]
    found = service.ask(Question([history], k=5)).result(PATIENCE).answers[0]
    assert found.items == [33, 34, 35]


def test_what_waits_is_one_batch(service, held):
    sizes, go = held
    # Each gets what it asked for, whatever the others ask.
    asked = [
        ([[31]], 1, True, [[35]]),
        ([[32]], 5, True, [[31, 33, 34, 35]]),
        ([[32]], 2, False, [[31, 32]]),
        ([[34], []], 2, True, [[31, 32], [32, 33]]),
    ]
    futures = [service.ask(Question(*question)) for *question, _ in asked]
    assert service.health()["waiting"] == 5
    go.set()
    for future, (*_, expected) in zip(futures, asked, strict=True):
        assert items_of(future) == expected
    assert sizes == [1, 4, 1]
    assert service.health()["waiting"] == 0


def test_a_large_question_does_not_hold_up_a_small_one(service, held):
    sizes, go = held
    order = []
    large = service.ask(Question([[31], [32], [34]] * 3, k=1))
    small = service.ask(Question([[31]], k=1))
    large.add_done_callback(lambda _: order.append("large"))
    small.add_done_callback(lambda _: order.append("small"))
    go.set()
    assert items_of(large) == [[35], [31], [31]] * 3
    assert items_of(small) == [[35]]
    wait_until(lambda: len(order) == 2)
    assert order == ["small", "large"] and sizes == [1, 4, 4, 2]


def test_too_many_that_wait_are_refused(service, held):
    service.ask(Question([[31]] * 19))
    with pytest.raises(Refused, match="20 histories") as refused:
        service.ask(Question([[31]] * 2))
    assert refused.value.status == 503
    service.ask(Question([[31]]))


def test_what_was_given_up_is_not_computed(service, held):
    sizes, go = held
    futures = [service.ask(Question([[31]] * 4)) for _ in range(3)]
    assert futures[0].cancel() and futures[1].cancel()
    go.set()
    assert len(items_of(futures[2])) == 4
    assert sizes == [1, 4] and service.health()["waiting"] == 0


def test_an_error_ends_its_batch_alone(service, monkeypatch):
    with monkeypatch.context() as patch:

        def fail(*_):
            raise RuntimeError("no memory")

        patch.setattr(service.loaded, "answer", fail)
        future = service.ask(Question([[31]] * 9))  # three batches
        with pytest.raises(RuntimeError, match="no memory"):
            future.result(PATIENCE)
    assert items_of(service.ask(Question([[31]], k=1))) == [[35]]
    assert service.health()["waiting"] == 0


def test_what_waits_at_the_end_is_answered(service, held):
    _, go = held
    futures = [service.ask(Question([[31]] * 5, k=1)) for _ in range(3)]
    closing = threading.Thread(target=service.close)
    closing.start()
    wait_until(lambda: service.health()["status"] == "ending")
    with pytest.raises(Refused, match="ends"):
        service.ask(Question([[31]]))
    go.set()
    closing.join(PATIENCE)
    assert [items_of(future) for future in futures] == [[[35]] * 5] * 3


# --- models that are replaced -------------------------------------------------


def test_a_new_model_and_files_that_are_none(tmp_path):
    """While somebody asks all the time, and is always answered."""
    path = tmp_path / "model.keras"
    markov_model().save(path)
    old = path.read_bytes()
    service = Service(path, Limits(max_batch=1), reload_every=0.05)
    replies, stop = [], threading.Event()

    def ask_on():
        while not stop.is_set():
            future = service.ask(Question([[31]], k=1))
            replies.append(future.result(PATIENCE))

    asking = threading.Thread(target=ask_on)
    asking.start()
    try:
        first = service.loaded.about["model"]
        path.write_bytes(old[: len(old) // 2])
        wait_until(lambda: service.health()["refused_model"])
        assert "cut short" in service.health()["refused_model"]
        path.unlink()
        wait_until(lambda: "no file" in service.health()["refused_model"])
        diverged = markov_model()
        diverged.item_softmax.bias.assign([0, 0, np.nan, 0, 0, 0])
        diverged.save(path)
        wait_until(lambda: "finite" in service.health()["refused_model"])
        assert (
            service.health()["model"] == service.loaded.about["model"] == first
        )
        # Another number of items, other ids, another answer.
        markov_model(raw_ids=("a", "b", "c", "d", "e")).save(path)
        wait_until(lambda: service.loaded.about["model"] != first)
        assert service.health()["refused_model"] is None
        assert service.loaded.about["item_ids"] == "string"
        num_before = len(replies)
        wait_until(lambda: len(replies) > num_before + 2)
    finally:
        stop.set()
        asking.join(PATIENCE)
        service.close()
    # 31 is unknown to the new model: the most popular.
    found = [(r.model == first, r.answers[0].items) for r in replies]
    assert set(map(str, found)) == {str((True, [35])), str((False, ["b"]))}
    assert found == sorted(found, key=lambda pair: not pair[0])


def test_a_question_is_answered_by_the_model_it_was_asked(
    service, held, tmp_path
):
    sizes, go = held
    old = service.ask(Question([[32]] * 6, k=1))
    path = tmp_path / "other.keras"
    markov_model(raw_ids=(1, 2, 3, 4, 32)).save(path)
    before = service.loaded
    service.loaded = LoadedModel(path, Limits(max_batch=2))
    new = service.ask(Question([[32]], k=1))
    go.set()
    assert items_of(old) == [[31]] * 6  # after item 2
    assert items_of(new) == [[2]]  # after item 5
    assert old.result().model == before.about["model"] != new.result().model


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_ends_is_begun_again(path, signum):
    """Or that hangs, once it has been silent for 3 seconds."""
    limits = Limits(max_batch=32, timeout=1)
    service = Service(path, limits, reload_every=0.05)
    try:
        assert items_of(service.ask(Question([[31]], k=1))) == [[35]]
        os.kill(service.loaded.pid, signum)
        before = service.loaded
        # More than is sent to a process that does not read.
        large = [[f"item {i}" for i in range(4096)]] * 32
        with pytest.raises(EOFError):
            items_of(service.ask(Question(large, k=1)))
        wait_until(lambda: service.loaded is not before)
        assert service.health()["status"] == "serving"
        assert items_of(service.ask(Question([[31]], k=1))) == [[35]]
        # What it says of what is wrong comes from there.
        with pytest.raises(ValueError, match="Expected an int or a str"):
            service.loaded.answer([[None]], 1, [True])
    finally:
        service.close()
    assert not pathlib.Path(f"/proc/{service.loaded.pid}").exists()


def test_a_process_that_hangs_does_not_hold_up_the_end(path, monkeypatch):
    monkeypatch.setattr("nextitnet_tf.serving.model_process._TO_END", 0.5)
    service = Service(path, Limits(max_batch=1))
    os.kill(service.loaded.pid, signal.SIGSTOP)
    begun = time.monotonic()
    service.close()
    assert time.monotonic() - begun < PATIENCE
    assert not pathlib.Path(f"/proc/{service.loaded.pid}").exists()


def test_what_cannot_be_served(tmp_path):
    with pytest.raises(ValueError, match="no file"):
        Service(tmp_path / "none.keras")
    model = markov_model()
    model.vocabulary = None
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="vocabulary=None"):
        Service(tmp_path / "model.keras")


def test_who_gives_up_as_the_batch_fails(service, monkeypatch):
    """The only thread that computes goes on."""
    futures = []

    def fail(histories, *others):
        (future,) = futures
        # Given up just before it is told that it failed.
        monkeypatch.setattr(future, "done", lambda: not future.cancel())
        raise OSError("gone")

    with monkeypatch.context() as patched:
        begun = threading.Event()
        patched.setattr(
            service.loaded,
            "answer",
            lambda *given: begun.wait(PATIENCE) and fail(*given),
        )
        futures.append(service.ask(Question([[31]], k=1)))
        begun.set()
        with pytest.raises((OSError, CancelledError)):
            futures[0].result(PATIENCE)
    assert items_of(service.ask(Question([[31]], k=1))) == [[35]]
