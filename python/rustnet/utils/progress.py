"""The progress bar of `fit`, `evaluate` and `predict`, for a terminal, a notebook and a log file."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

Verbose = Literal["auto", 0, 1, 2]

BAR_WIDTH = 20
REDRAW_SECONDS = 0.05
# In a log file a long epoch shows a sign of life this often.
LOG_SECONDS = 60.0

BOLD, GREEN, PLAIN = "\x1b[1m", "\x1b[32m", "\x1b[0m"
ERASE_TO_END = "\x1b[K"


class Display(Protocol):
    """A place that shows one line of text that changes, until it is done."""

    interval: float

    def draw(self, bar: ProgressBar) -> None: ...

    def finish(self, bar: ProgressBar) -> None: ...


class ProgressBar:
    """Shows how far a loop over steps is, and its metrics.

    A line in a terminal or notebook reads `469/469 ━━━━━━━━━━━━━━━━━━━━ 3s 5ms/step - accuracy: 0.9012 -
    loss: 0.3004` and is redrawn in place, at most every 50 ms. Anywhere else (a file, a pipe) it is printed
    once, at the end of the epoch, without control codes. A closed or broken standard output never stops the
    loop: the bar goes silent.

    Arguments:
        target: number of steps, or None where it is not known before the end.
        verbose: 0 shows nothing, 1 and `"auto"` a bar, 2 one line at the end.

    Raises:
        ValueError: `verbose` is none of these.

    Example:
        >>> bar = ProgressBar(target=10, verbose=2)
        >>> for step in range(10):
        ...     bar.update(step + 1, {"loss": 0.5})
        >>> bar.finish()  # doctest: +ELLIPSIS
        10/10 - ...s - .../step - loss: 0.5000

    Source: https://keras.io/api/utils/python_utils/#progbar-class
    """

    def __init__(self, target: int | None, verbose: Verbose = "auto") -> None:
        self.target = target
        self.current = 0
        self.values: Mapping[str, float] = {}
        self._display = _display(verbose)
        self._start = time.perf_counter()
        self._first: tuple[int, float] | None = None
        self._last_draw = self._start

    def update(self, current: int, values: Mapping[str, float] | None = None) -> None:
        """Tells that `current` steps are done; the metrics replace those told before."""
        self.current = current
        if values is not None:
            self.values = values
        now = time.perf_counter()
        if self._first is None:
            self._first = (current, now)
        if self._display is not None and now - self._last_draw >= self._display.interval:
            self._last_draw = now
            self._attempt(self._display.draw)

    def finish(self, values: Mapping[str, float] | None = None) -> None:
        """Shows the last line, with these metrics or those of the last update."""
        if values is not None:
            self.values = values
        if self.target is None or self.current > self.target:
            self.target = self.current
        if self._display is not None:
            self._attempt(self._display.finish)

    def _attempt(self, show: Callable[[ProgressBar], None]) -> None:
        try:
            show(self)
        except Exception:
            # Standard output is closed or broken, or a notebook shows nothing: training is worth more.
            self._display = None

    # The parts of a line.

    def count(self) -> str:
        """`12/469`, or `12/Unknown`; the width stays the same through an epoch."""
        if self.target is None:
            return f"{self.current:7d}/Unknown"
        return f"{self.current:{len(str(self.target))}d}/{self.target}"

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    def seconds_left(self) -> float | None:
        """Estimated seconds to the end, or None where the target is not known."""
        return None if self.target is None else self.seconds_per_step() * (self.target - self.current)

    def seconds_per_step(self) -> float:
        """Mean seconds per step, without those before the first update, which compile and warm up."""
        if self._first is not None and self.current > self._first[0]:
            return (time.perf_counter() - self._first[1]) / (self.current - self._first[0])
        return self.seconds() / self.current if self.current else 0.0

    def metrics(self) -> str:
        """` - accuracy: 0.9012 - loss: 0.3004`."""
        return "".join(f" - {name}: {_number(value)}" for name, value in self.values.items())

    def plain_line(self) -> str:
        """The line for a log file."""
        step = _step_duration(self.seconds_per_step())
        return f"{self.count()} - {self.seconds():.0f}s - {step}{self.metrics()}"

    def bar_line(self, full: str, rest: str, *, done: bool) -> str:
        """The line for a terminal or notebook; `full` and `rest` are what the bar is made of."""
        left = None if done else self.seconds_left()
        clock = _clock(self.seconds() if left is None else left)
        bar = ""
        if self.target is not None:
            filled = BAR_WIDTH * self.current // self.target if self.target else BAR_WIDTH
            bar = f" {full * filled}{rest * (BAR_WIDTH - filled)}"
        return f"{self.count()}{bar} {clock} {_step_duration(self.seconds_per_step())}{self.metrics()}"


class Terminal:
    """Redraws in place, and never lets a line wrap while it is redrawn."""

    interval = REDRAW_SECONDS

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._full, self._rest = ("━", "─") if _can_encode(stream, "━─") else ("=", "-")
        self._colour = not os.environ.get("NO_COLOR")

    def draw(self, bar: ProgressBar) -> None:
        width = shutil.get_terminal_size().columns - 1
        line = bar.bar_line(self._full, self._rest, done=False)[:width]
        self._write(f"\r{self._coloured(bar, line)}{ERASE_TO_END}")

    def finish(self, bar: ProgressBar) -> None:
        line = bar.bar_line(self._full, self._rest, done=True)
        self._write(f"\r{self._coloured(bar, line)}{ERASE_TO_END}\n")

    def _coloured(self, bar: ProgressBar, line: str) -> str:
        if not self._colour:
            return line
        count = len(bar.count())
        line = f"{BOLD}{line[:count]}{PLAIN}{line[count:]}"
        filled = line.count(self._full)
        bar_part = self._full * filled
        return line.replace(bar_part, f"{GREEN}{bar_part}{PLAIN}", 1) if filled else line

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class Notebook:
    """Replaces one output of the cell, so that a saved notebook holds the last line only."""

    interval = REDRAW_SECONDS

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._handle: Any = None

    def draw(self, bar: ProgressBar) -> None:
        self._show(bar.bar_line("━", "─", done=False))

    def finish(self, bar: ProgressBar) -> None:
        self._show(bar.bar_line("━", "─", done=True))

    def _show(self, line: str) -> None:
        if self._handle is None:
            self._handle = self._display({"text/plain": line}, raw=True, display_id=True)
        else:
            self._handle.update({"text/plain": line}, raw=True)


class Log:
    """Prints whole lines: one at the end and, if `sparse`, one a minute before."""

    def __init__(self, stream: Any, *, sparse: bool) -> None:
        self._stream = stream
        self.interval = LOG_SECONDS if sparse else float("inf")

    def draw(self, bar: ProgressBar) -> None:
        self._stream.write(f"{bar.plain_line()}\n")
        self._stream.flush()

    finish = draw


def print_line(line: str) -> None:
    """Prints a line, and goes on where standard output is closed or broken."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        pass


def _display(verbose: Verbose) -> Display | None:
    """The display for this value of `verbose` and this standard output."""
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"expected verbose to be 'auto', 0, 1 or 2. Received: verbose={verbose!r}")
    stream = sys.stdout
    if verbose == 0 or stream is None:
        return None
    if verbose == 2:
        return Log(stream, sparse=False)
    if type(stream).__module__.startswith("ipykernel."):
        display = _notebook_display()
        if display is not None:
            return Notebook(display)
    if _is_terminal(stream):
        return Terminal(stream)
    return Log(stream, sparse=True)


def _notebook_display() -> Any:
    """IPython's function that shows something in a cell; None where IPython is a stub or half imported."""
    try:
        from IPython.display import display
    except ImportError:
        return None
    return display


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):
        return False


def _can_encode(stream: Any, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) > 1e-3 else f"{value:.4e}"


def _clock(seconds: float) -> str:
    """`12s`, `2:05` or `1:02:05`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minute:02d}:{second:02d}"
    return f"{minute}:{second:02d}" if minute else f"{second}s"


def _step_duration(seconds: float) -> str:
    """`2s/step`, `5ms/step` or `80us/step`."""
    if seconds >= 1:
        return f"{seconds:.0f}s/step"
    return f"{seconds * 1e3:.0f}ms/step" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us/step"
