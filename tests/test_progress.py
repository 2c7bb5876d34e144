"""The progress bar in a terminal, a notebook and a log file."""

import io
import os
import pty
import re
import sys
import types

import pytest

from rustnet.utils import progress
from rustnet.utils.progress import ProgressBar


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves only when told."""
    now = types.SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now.seconds)
    return now


class FakeTerminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def run_epoch(clock, steps=10, seconds=0.1, **arguments):
    bar = ProgressBar(steps, **arguments)
    for step in range(1, steps + 1):
        clock.seconds += seconds
        bar.update(step, {"accuracy": step / steps, "loss": 1e-5})
    bar.finish()


def test_a_log_file_gets_one_line_without_control_codes(clock, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    run_epoch(clock)
    assert stream.getvalue() == "10/10 - 1s - 100ms/step - accuracy: 1.0000 - loss: 1.0000e-05\n"


def test_a_long_epoch_shows_a_sign_of_life_in_a_log_file(clock, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    run_epoch(clock, steps=10, seconds=30.0)
    assert [line[:5] for line in stream.getvalue().splitlines()] == [
        " 2/10",
        " 4/10",
        " 6/10",
        " 8/10",
        "10/10",
        "10/10",
    ]


def test_verbose_2_prints_the_last_line_only_even_in_a_terminal(clock, monkeypatch):
    stream = FakeTerminal()
    monkeypatch.setattr(sys, "stdout", stream)
    run_epoch(clock, seconds=120.0, verbose=2)
    assert stream.getvalue() == "10/10 - 1200s - 120s/step - accuracy: 1.0000 - loss: 1.0000e-05\n"


def test_verbose_0_prints_nothing(clock, monkeypatch):
    stream = FakeTerminal()
    monkeypatch.setattr(sys, "stdout", stream)
    run_epoch(clock, verbose=0)
    assert stream.getvalue() == ""


def test_a_terminal_is_redrawn_in_place(clock, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    stream = FakeTerminal()
    monkeypatch.setattr(sys, "stdout", stream)
    run_epoch(clock)
    draws = stream.getvalue().split("\r")
    assert len(draws) == 12 and stream.getvalue().count("\n") == 1 and draws[-1].endswith("\x1b[K\n")
    half = re.sub(r"\x1b\[\d*[mK]", "", draws[5])
    assert half == " 5/10 ━━━━━━━━━━────────── 0s 100ms/step - accuracy: 0.5000 - loss: 1.0000e-05"


def test_a_terminal_is_redrawn_at_most_every_50_ms(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = FakeTerminal()
    monkeypatch.setattr(sys, "stdout", stream)
    run_epoch(clock, steps=1000, seconds=0.001)
    assert stream.getvalue().count("\r") in (20, 21)


def test_a_line_never_wraps_while_it_is_redrawn(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = FakeTerminal()
    monkeypatch.setattr(sys, "stdout", stream)
    run_epoch(clock)
    assert all(len(draw) <= 39 + len("\x1b[K") for draw in stream.getvalue().split("\r")[:-1])


def test_an_unknown_total_is_learnt_at_the_end(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = FakeTerminal()
    monkeypatch.setattr(sys, "stdout", stream)
    bar = ProgressBar(None)
    for step in (1, 2):
        clock.seconds += 1
        bar.update(step)
    bar.finish({"loss": 0.25})
    draws = stream.getvalue().split("\r")
    assert draws[1].startswith("      1/Unknown 1s ")
    assert draws[-1].startswith("2/2 ━━━━━━━━━━━━━━━━━━━━ 2s 1s/step - loss: 0.2500")


def test_an_ascii_terminal_gets_an_ascii_bar(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = FakeTerminal()
    stream.encoding = "ascii"
    monkeypatch.setattr(sys, "stdout", stream)
    run_epoch(clock)
    assert stream.getvalue().isascii()


def test_a_notebook_gets_one_output_that_changes(clock, monkeypatch):
    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(("update", data["text/plain"]))

    def display(data, raw, display_id):
        shown.append(("display", data["text/plain"]))
        return Handle()

    ipython_display = types.ModuleType("IPython.display")
    ipython_display.display = display
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", ipython_display)
    kernel_stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr(sys, "stdout", kernel_stream)
    run_epoch(clock)
    assert [kind for kind, _ in shown] == ["display"] + ["update"] * 10
    assert shown[-1][1].startswith("10/10 ━━━━━━━━━━━━━━━━━━━━ 1s 100ms/step - accuracy: 1.0000")
    assert kernel_stream.getvalue() == ""


@pytest.mark.parametrize("has_display", [False, True])
def test_an_ipython_that_is_only_a_stub_does_not_stop_the_loop(clock, monkeypatch, has_display):
    """Without `display` the lines of a log file are printed; with one that breaks, nothing."""
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    stub = types.ModuleType("IPython.display")
    if has_display:
        stub.display = lambda *arguments, **keywords: 1 / 0
    monkeypatch.setitem(sys.modules, "IPython.display", stub)
    kernel_stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr(sys, "stdout", kernel_stream)
    run_epoch(clock)
    assert len(kernel_stream.getvalue().splitlines()) == (0 if has_display else 1)


def test_a_closed_standard_output_does_not_stop_the_loop(clock, monkeypatch):
    stream = FakeTerminal()
    monkeypatch.setattr(sys, "stdout", stream)
    bar = ProgressBar(10)
    stream.close()
    for step in range(10):
        clock.seconds += 1
        bar.update(step + 1)
    bar.finish()
    progress.print_line("Epoch 1/1")


def test_a_broken_pipe_does_not_stop_the_loop(clock, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    monkeypatch.setattr(sys, "stdout", stream)
    run_epoch(clock)
    progress.print_line("Epoch 1/1")
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_no_standard_output_at_all(clock, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    run_epoch(clock)
    progress.print_line("Epoch 1/1")


def test_a_real_terminal_is_recognised(monkeypatch):
    leader, follower = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(follower, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        bar = ProgressBar(1)
        bar.update(1)
        bar.finish()
    assert os.read(leader, 1000).startswith(b"\r")
    os.close(leader)


@pytest.mark.parametrize("verbose", [3, -1, "yes", None])
def test_an_unknown_verbose_is_an_error(verbose):
    with pytest.raises(ValueError, match=f"Received: verbose={verbose!r}"):
        ProgressBar(10, verbose=verbose)


@pytest.mark.parametrize(("seconds", "text"), [(5, "5s"), (65, "1:05"), (3725, "1:02:05")])
def test_clock(seconds, text):
    assert progress._clock(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(2, "2s/step"), (0.005, "5ms/step"), (8e-5, "80us/step")])
def test_step_duration(seconds, text):
    assert progress._step_duration(seconds) == text
