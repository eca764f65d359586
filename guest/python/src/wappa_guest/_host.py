"""What the guest finds around it: the functions of the component's world, or those of the mock host."""

import logging
import re
from typing import Protocol

from ._failure import told

_COUNTER = re.compile(r"[A-Za-z0-9_]{1,64}")


class Host(Protocol):
    """What both have."""

    def log(self, level: str, text: str) -> None:
        """Writes a line; the level is trace, debug, info, warn or error."""

    def count(self, name: str, delta: int) -> None:
        """Adds to a counter."""


class _NoHost:
    def log(self, level: str, text: str) -> None:
        raise RuntimeError("there is no host: tests start one with `wappa_guest.testing.start`")

    def count(self, name: str, delta: int) -> None:
        raise RuntimeError("there is no host: tests start one with `wappa_guest.testing.start`")


current: Host = _NoHost()


class Log:
    """The log of the stream. The standard library's `logging` writes to it, too."""

    def trace(self, text: object) -> None:
        """Writes a line at level trace."""
        current.log("trace", told(str(text)))

    def debug(self, text: object) -> None:
        """Writes a line at level debug."""
        current.log("debug", told(str(text)))

    def info(self, text: object) -> None:
        """Writes a line at level info."""
        current.log("info", told(str(text)))

    def warn(self, text: object) -> None:
        """Writes a line at level warn."""
        current.log("warn", told(str(text)))

    def error(self, text: object) -> None:
        """Writes a line at level error."""
        current.log("error", told(str(text)))


log = Log()


def count(name: str, delta: int = 1) -> None:
    """Adds to the counter `wasm_guest_NAME` of the processor.

    A name has ASCII letters, digits and `_`, at most 64 of them, and a counter grows by a whole number, not a negative
    one. Anything else is a `ValueError`: from the host it would end the call, with all of its messages.
    """
    if not _COUNTER.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a counter: it has letters, digits and `_`, at most 64")
    if isinstance(delta, bool) or not isinstance(delta, int) or not 0 <= delta < 1 << 64:
        raise ValueError(f"a counter grows by a whole number that is not negative, not by {delta!r}")
    current.count(name, delta)


class Handler(logging.Handler):
    """What `logging` writes, as lines of the stream's log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record."""
        try:
            current.log(_level(record.levelno), told(self.format(record)))
        except Exception:
            self.handleError(record)


def _level(number: int) -> str:
    for least, name in ((logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info")):
        if least <= number:
            return name
    return "debug" if logging.DEBUG <= number else "trace"
