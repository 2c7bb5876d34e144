"""What the compiled engine promises to the package: locks, shared memory, errors instead of panics."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest

from rustnet import _core
from rustnet.core.trace import Trace

has_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")


def exit_status(child: int, seconds: float = 20.0) -> int:
    """The exit code of a forked child; one that hangs is killed and fails the test."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        process, status = os.waitpid(child, os.WNOHANG)
        if process:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("the forked child hangs")


def in_child(function) -> int:
    """The exit code of a forked child that runs `function`: 0 where that returned, 1 where it raised."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            function()
            code = 0
        finally:
            os._exit(code)
    return exit_status(child)


# --- Exclusive ------------------------------------------------------------------------------------


def test_exclusive_returns_raises_and_may_be_entered_again():
    exclusive = _core.Exclusive()
    assert exclusive.run(lambda: exclusive.run(lambda: 7)) == 7
    for error in (ValueError, KeyboardInterrupt, SystemExit):

        def fails(error=error) -> None:
            raise error("stop")

        with pytest.raises(error, match="stop"):
            exclusive.run(fails)
    # Free again: another thread gets it.
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(exclusive.run(lambda: 1)))
    thread.start()
    thread.join(10)
    assert seen == [1]


def test_exclusive_lets_one_thread_at_a_time():
    exclusive = _core.Exclusive()
    inside: list[int] = []
    most = []

    def work() -> None:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.0005)
        exclusive.run(lambda: None)
        inside.pop()

    threads = [threading.Thread(target=lambda: [exclusive.run(work) for _ in range(25)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(most) == 200 and max(most) == 1


def test_a_thread_that_waits_for_exclusive_sees_an_interrupt():
    exclusive = _core.Exclusive()
    holding, end = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: exclusive.run(lambda: (holding.set(), end.wait(20))))
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread.start()
        holding.wait(10)
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            exclusive.run(lambda: None)
    finally:
        end.set()
        thread.join(10)
        signal.signal(signal.SIGINT, inherited)
    assert exclusive.run(lambda: 3) == 3


@has_fork
def test_exclusive_is_free_in_a_child_unless_the_forking_thread_holds_it():
    exclusive = _core.Exclusive()
    holding, end = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: exclusive.run(lambda: (holding.set(), end.wait(20))))
    thread.start()
    holding.wait(10)
    try:
        assert in_child(lambda: exclusive.run(lambda: None)) == 0
    finally:
        end.set()
        thread.join(10)

    def other_thread_is_kept_out() -> None:
        entered = threading.Event()
        other = threading.Thread(target=lambda: exclusive.run(entered.set), daemon=True)
        other.start()
        assert not entered.wait(0.3)
        exclusive.run(lambda: None)

    assert exclusive.run(lambda: in_child(other_thread_is_kept_out)) == 0


# --- memory that programs share -------------------------------------------------------------------


def test_programs_that_share_arenas_give_what_they_give_alone():
    arenas = _core.Arenas()

    def program(rows: int, shared: bool) -> _core.Program:
        with Trace() as trace:
            x = trace.input("float32", (rows, 64))
            y = (x @ (x * 2.0 + 1.0)[:, :1] if rows == 64 else x * x + x)[:, :5]
            z = (y + 1.0) * y
            return trace.graph.compile([y.value, z.value], [], arenas if shared else None)

    rng = np.random.default_rng(0)
    sizes = [3, 64, 500, 7, 64]
    programs = [(program(size, True), program(size, False), size) for size in sizes]
    for _ in range(3):
        for with_shared, alone, size in programs:
            # Rows that must be cast and gathered, and whole arguments.
            x = rng.normal(size=(size, 64))
            order = rng.permutation(size)
            outputs = [[one.new_outputs(size) for one in (with_shared, alone)] for _ in range(2)]
            for one, arrays in zip((with_shared, alone), outputs[0], strict=True):
                one.run_batches([x], order, (0, size), arrays, 0.0)
            whole = [one.run([x.astype("float32")]) for one in (with_shared, alone)]
            for shared_result, result in [*zip(*outputs[0], strict=True), *zip(*whole, strict=True)]:
                np.testing.assert_array_equal(shared_result, result)
