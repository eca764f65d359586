"""What makes a guest of a module: its functions, by the decorators that they have."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ._failure import reason_of
from ._message import Message, World

#: The processor's field `config`, as it comes to a function with `@configure`.
Config = Mapping[str, str]

#: A function with `@processor`.
Process = Callable[[Message], None]

#: A function with `@configure`.
Configure = Callable[[Config], None]


@dataclass
class Guest:
    """The functions of one module."""

    process: Process | None = None
    configure: Configure | None = None


_guests: dict[str, Guest] = {}


def processor(function: Process) -> Process:
    """Makes a function the one that is called for each message."""
    guest = _register(function, "processor")
    if guest.process is not None:
        raise TypeError("a module has one function with `@processor`, and there is another one already")
    guest.process = function
    return function


def configure(function: Configure) -> Configure:
    """Makes a function the one that is called once for each instance, before the first message, with the config.

    What it raises keeps the stream from starting.
    """
    guest = _register(function, "configure")
    if guest.configure is not None:
        raise TypeError("a module has one function with `@configure`, and there is another one already")
    guest.configure = function
    return function


def _register(function: Any, decorator: str) -> Guest:
    if not callable(function):
        raise TypeError(f"`@{decorator}` is for a function")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(_asynchronous(function.__name__))
    if inspect.isgeneratorfunction(function):
        raise TypeError(
            f"`{function.__name__}` is a generator: a message is sent with `message.emit()`, not with `yield`"
        )
    return _guests.setdefault(function.__module__, Guest())


def _asynchronous(name: str) -> str:
    return f"`{name}` is asynchronous, and a guest is called synchronously: there is nothing that it could wait for"


def guest_of(module: ModuleType) -> Guest:
    """The guest that a module is."""
    guest = _guests.get(module.__name__)
    if guest is None or guest.process is None:
        name = module.__name__
        raise TypeError(f"the module `{name}` has no function with `@processor`: `from wappa_guest import processor`")
    return guest


class Transform:
    """What a component exports, of a guest."""

    def __init__(self, guest: Guest, world: World) -> None:
        assert guest.process is not None
        self._process = guest.process
        self._configure = guest.configure
        self._message = Message(world)
        self._fail = world.Disposition_Fail
        self._content = world.Disposition_Content
        self._contents: list[Any] = []
        self._keep = world.Disposition_Keep()

    def configure(self, pairs: list[tuple[str, str]]) -> str | None:
        """Gives the guest its config; a reason where it does not start."""
        if self._configure is None:
            return None
        try:
            _refuse_result(self._configure(dict(pairs)), self._configure)
        except BaseException as thrown:
            return reason_of(thrown)
        return None

    def process(self, batch: Any) -> list[Any]:
        """Gives the guest the messages of a batch, one by one."""
        message, process = self._message, self._process
        length = batch.len()
        dispositions: list[Any] = [self._keep] * length
        # Those of the last call are used again: making one costs as much as a call does. The host has read them.
        contents = self._contents
        while len(contents) < length:
            contents.append(self._content(b""))
        message._enter(batch)
        for index in range(length):
            # Here, since calls are what costs most in Python.
            message._index = index
            if message._all is None:
                message._content = message._incoming = None
            else:
                # A guest that has read one content mostly reads them all.
                bounds = message._bounds
                message._content = message._incoming = message._all[bounds[index] : bounds[index + 1]]
            # What is seldom is looked at together.
            if message._is_unusual:
                message._reset()
            try:
                result = process(message)
                if result is not None:
                    _refuse_result(result, process)
                if message._is_unusual:
                    dispositions[index] = message._finish_unusual()
                elif message._content is not message._incoming:
                    disposition = dispositions[index] = contents[index]
                    disposition.value = message._content
            # `sys.exit` is no reason to lose the others.
            except BaseException as thrown:
                dispositions[index] = self._fail(reason_of(thrown))
        message._leave()
        return dispositions


def _refuse_result(result: Any, function: Callable[..., Any]) -> None:
    if inspect.isawaitable(result):
        # Nobody will wait for it, and it should not say so at its end.
        getattr(result, "close", lambda: None)()
        raise TypeError(_asynchronous(getattr(function, "__name__", "the function")))
