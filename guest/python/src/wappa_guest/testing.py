"""A host for tests, without WebAssembly: what the guest would meet in a stream, in the same process.

::

    import guest
    from wappa_guest.testing import Input, start

    host = start(guest, {"greeting": "welcome"})
    [[out]] = host.process(Input("ann"))
    assert out.text == "welcome, ann!"
"""

import json
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from . import _host
from ._guest import Transform, guest_of
from ._message import Value

__all__ = ["DidNotStart", "Host", "Input", "Output", "start"]


@dataclass
class Input:
    """A message that a test puts in."""

    content: bytes | str = b""
    metadata: Mapping[str, Value] = field(default_factory=dict)
    error: str | None = None


@dataclass
class Output:
    """A message that came out."""

    content: bytes
    metadata: dict[str, Value]
    #: The reason of a message that failed, or the mark that it came in with.
    error: str | None = None

    @property
    def text(self) -> str:
        """The content as text, with U+FFFD for what is not UTF-8."""
        return self.content.decode(errors="replace")


class DidNotStart(Exception):
    """A guest did not start; the text is the reason that a stream would show."""


def start(guest: ModuleType, config: Mapping[str, str] | None = None) -> "Host":
    """Starts a guest with a config. Raises `DidNotStart` when its function with `@configure` raises something."""
    return Host(guest, config or {})


class Host:
    """Plays the processor of a stream for one instance of a guest. It has no limits on time and memory."""

    def __init__(self, guest: ModuleType, config: Mapping[str, str]) -> None:
        #: What the guest wrote to the log: pairs of a level and a text.
        self.logs: list[tuple[str, str]] = []
        self._counters: dict[str, int] = {}
        self._transform = Transform(guest_of(guest), _World())
        with self._entered():
            reason = self._transform.configure(list(config.items()))
        if reason is not None:
            raise DidNotStart(reason)

    def process(self, *messages: Input) -> list[list[Output]]:
        """Gives a batch to the guest.

        For each message, the list of messages that it became: none when it was filtered, and one with its `error` set
        when it failed.
        """
        batch = _Batch([_State.of(it) for it in messages])
        with self._entered():
            dispositions = self._transform.process(batch)
        return [batch.outcome(index, it) for index, it in enumerate(dispositions)]

    def counter(self, name: str) -> int:
        """What the guest has added to a counter."""
        return self._counters.get(name, 0)

    def log(self, level: str, text: str) -> None:
        """Writes a line, for the guest."""
        self.logs.append((level, text))

    def count(self, name: str, delta: int) -> None:
        """Adds to a counter, for the guest."""
        self._counters[name] = self.counter(name) + delta

    @contextmanager
    def _entered(self) -> Any:
        before, _host.current = _host.current, self
        try:
            yield
        finally:
            _host.current = before


class _World:
    """The types of the world."""

    @dataclass
    class Value_Text:
        value: str

    @dataclass
    class Value_Bytes:
        value: bytes

    @dataclass
    class Value_Json:
        value: str

    @dataclass
    class Message:
        content: bytes
        metadata: list[tuple[str, Any]]

    @dataclass
    class Disposition_Keep:
        pass

    @dataclass
    class Disposition_Filter:
        pass

    @dataclass
    class Disposition_Content:
        value: bytes

    @dataclass
    class Disposition_Send:
        value: list[Any]

    @dataclass
    class Disposition_Fail:
        value: str


@dataclass
class _State:
    """A message as it is now."""

    content: bytes
    metadata: dict[str, Value]
    error: str | None

    @staticmethod
    def of(message: Input) -> "_State":
        content = message.content
        content = content.encode() if isinstance(content, str) else bytes(content)
        values = {key: _from_world(_to_world(value)) for key, value in message.metadata.items()}
        return _State(content, values, message.error)

    def told(self) -> Output:
        return Output(self.content, {key: self.metadata[key] for key in sorted(self.metadata)}, self.error)


def _to_world(value: Value) -> Any:
    if isinstance(value, str):
        return _World.Value_Text(value)
    if isinstance(value, bytes):
        return _World.Value_Bytes(value)
    return _World.Value_Json(json.dumps(value, allow_nan=False))


def _from_world(value: Any) -> Value:
    return json.loads(value.value) if isinstance(value, _World.Value_Json) else value.value


class _Batch:
    """The messages of a call, as the world `processor` has them."""

    def __init__(self, states: list[_State]) -> None:
        self._before = states
        self._now = [_State(it.content, dict(it.metadata), it.error) for it in states]

    def len(self) -> int:
        return len(self._now)

    def content(self, index: int) -> bytes:
        return self._before[index].content

    def contents(self) -> tuple[bytes, list[int]]:
        contents = [it.content for it in self._before]
        ends, end = [], 0
        for content in contents:
            end += len(content)
            ends.append(end)
        return b"".join(contents), ends

    def get_metadata(self, index: int, key: str) -> Any:
        metadata = self._now[index].metadata
        return _to_world(metadata[key]) if key in metadata else None

    def metadata(self, index: int) -> list[tuple[str, Any]]:
        return [
            (key, _to_world(value)) for key, value in sorted(self._now[index].metadata.items(), key=lambda it: it[0])
        ]

    def metadata_keys(self, index: int) -> list[str]:
        return sorted(self._now[index].metadata)

    def change_metadata(self, changes: list[tuple[int, str, Any]]) -> None:
        for index, key, value in changes:
            metadata = self._now[index].metadata
            if value is None:
                metadata.pop(key, None)
            else:
                metadata[key] = _from_world(value)

    def delete_metadata(self, index: int, key: str) -> bool:
        was_there = key in self._now[index].metadata
        self._now[index].metadata.pop(key, None)
        return was_there

    def error(self, index: int) -> str | None:
        return self._now[index].error

    def clear_error(self, index: int) -> None:
        self._now[index].error = None

    def position(self, index: int) -> tuple[int, int]:
        return index, len(self._now)

    def outcome(self, index: int, disposition: Any) -> list[Output]:
        """What became of a message."""
        now = self._now[index]
        match disposition:
            case _World.Disposition_Keep():
                return [now.told()]
            case _World.Disposition_Filter():
                return []
            case _World.Disposition_Content(content):
                return [_State(content, now.metadata, now.error).told()]
            case _World.Disposition_Send(messages):
                values = [{key: _from_world(value) for key, value in it.metadata} for it in messages]
                sent = zip(messages, values, strict=True)
                return [_State(it.content, metadata, now.error).told() for it, metadata in sent]
            case _World.Disposition_Fail(reason):
                before = self._before[index]
                return [_State(before.content, before.metadata, reason).told()]
        raise TypeError(f"{disposition!r} is no disposition")
