"""Signals are held until what they would destroy is kept."""

import signal
import threading

import pytest

from nextitnet_tf.training import interrupts


@pytest.fixture(autouse=True)
def handlers():
    """SIGTERM raises, too; what was set before comes back."""
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def terminate(signum, frame):
        raise SystemExit(128 + signum)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, terminate)
    yield {signal.SIGTERM: terminate}
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.mark.parametrize(
    ("signum", "error"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)],
)
def test_it_comes_when_the_block_has_ended(signum, error):
    done = []
    with pytest.raises(error), interrupts.held(lambda: done.append("told")):
        signal.raise_signal(signum)
        done.append("kept")
    assert done == ["told", "kept"]


def test_who_asks_twice_does_not_wait():
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts.held(lambda: None):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        done.append("kept")
    assert done == []


def test_handlers_come_back(handlers):
    with interrupts.held(lambda: None):
        assert signal.getsignal(signal.SIGTERM) != handlers[signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is handlers[signal.SIGTERM]
    with pytest.raises(ZeroDivisionError), interrupts.held(lambda: None):
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_ignored_stays_so():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts.held(lambda: pytest.fail("it was ignored")):
        signal.raise_signal(signal.SIGINT)


def test_another_thread_holds_nothing():
    done = []

    def work():
        with interrupts.held(lambda: None):
            done.append("kept")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["kept"]
