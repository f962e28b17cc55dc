"""A first signal is a request, a second one is obeyed at once."""

import os
import signal
import threading

import pytest

from vidzoo.stopping import StopRequest


@pytest.fixture(autouse=True)
def usual_handlers():
    """As in a process of its own, whatever ran before."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    "number, error", [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_is_a_request(number, error, capfd):
    with StopRequest() as stop:
        assert not stop()
        stop.obey()  # nothing was asked
        os.kill(os.getpid(), number)
        assert stop()
        assert "saving first" in capfd.readouterr().err
        with pytest.raises(error) as raised:
            stop.obey()
    if error is SystemExit:
        assert raised.value.code == 143


def test_a_second_one_acts_at_once():
    with StopRequest() as stop, pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        os.kill(os.getpid(), signal.SIGINT)


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_was_ignored_stays_ignored():
    """As in a script that starts it in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert not stop()


def test_another_thread_gets_no_signals():
    seen = []

    def work():
        with StopRequest() as stop:
            seen.append(stop())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
