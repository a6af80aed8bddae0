"""When the training loop pauses: the length of a chunk, and signals."""

import os
import signal
import threading

import pytest

from mnist_keras.training.pace import CHUNK_SECONDS, Chunk, Interrupted, Signals


def test_a_fixed_chunk_stays():
    chunk = Chunk(fixed=1)
    for seconds in (0.0, 100.0):
        chunk.adapt(1, seconds)
        assert chunk.num_steps == 1


@pytest.mark.parametrize("seconds_per_step", [1e-5, 1e-3, 0.01, 0.1, 5.0])
def test_a_chunk_grows_and_shrinks_to_its_seconds(seconds_per_step):
    chunk = Chunk(fixed=None)
    for _ in range(20):
        chunk.adapt(chunk.num_steps, chunk.num_steps * seconds_per_step)
    seconds = chunk.num_steps * seconds_per_step
    assert chunk.num_steps == 1 or CHUNK_SECONDS / 2 <= seconds <= CHUNK_SECONDS * 2


def test_a_chunk_that_the_epoch_cuts_short_makes_the_next_no_longer():
    chunk = Chunk(fixed=None)
    num_steps = chunk.num_steps
    chunk.adapt(num_steps - 1, 0.0)
    assert chunk.num_steps == num_steps
    chunk.adapt(num_steps - 1, 10 * CHUNK_SECONDS)
    assert chunk.num_steps == num_steps // 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_noted_and_the_handlers_come_back(number):
    before = signal.getsignal(number)
    with Signals() as signals:
        assert not signals.received
        os.kill(os.getpid(), number)
        assert signals.received == number
        assert signal.getsignal(number) is before, "a second one ends the process at once"
    assert signal.getsignal(number) is before
    assert str(Interrupted(signals.received)) == signal.Signals(number).name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_is_ignored_stays_ignored(number):
    before = signal.signal(number, signal.SIG_IGN)  # as `nohup` and background jobs of scripts do
    try:
        with Signals() as signals:
            os.kill(os.getpid(), number)
            assert signal.getsignal(number) is signal.SIG_IGN
        assert not signals.received
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_a_second_ctrl_c_is_not_held_back():
    with pytest.raises(KeyboardInterrupt), Signals():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_that_was_not_set_from_python_stays(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(signal, "getsignal", lambda number: None)
        with Signals():
            patch.undo()
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_leave_the_handlers_alone():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with Signals() as signals:
            seen.append((signals.received, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(0, before)]
