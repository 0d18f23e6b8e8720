"""An interrupt waits for the end of the block, and is not lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from spikewright.simulate.interrupts import interrupts_held


@pytest.fixture(autouse=True)
def python_takes_interrupts() -> Iterator[None]:
    """Shells let what they start in the background ignore interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_acts_at_the_end_of_the_block() -> None:
    begun = []
    with pytest.raises(KeyboardInterrupt):
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            begun.append("a child with a name")
    assert begun == ["a child with a name"]


def test_afterwards_interrupts_act_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts_held():
        pass
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_failure_in_the_block_is_told_as_it_is() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(OSError, match="no more processes"):
        with interrupts_held():
            raise OSError("no more processes")
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_may_start_children_too() -> None:
    done = []

    def work() -> None:
        with interrupts_held():
            done.append(threading.current_thread().name)

    thread = threading.Thread(target=work, name="other")
    thread.start()
    thread.join()
    assert done == ["other"]
