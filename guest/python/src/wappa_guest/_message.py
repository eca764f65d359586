"""The message that the guest has before it, and what becomes of it."""

import json
from collections.abc import Iterator, MutableMapping
from typing import Any, Protocol

from ._failure import Failure, told

#: A value of metadata: text, bytes, or anything else that JSON can say.
Value = str | bytes | None | bool | int | float | list[Any] | dict[str, Any]


#: The host is told of so many changes at the latest.
_CHANGES_MAX = 1024


class World(Protocol):
    """What makes the values of the world, in a component and in the mock host."""

    Value_Text: Any
    Value_Bytes: Any
    Value_Json: Any
    Message: Any
    Disposition_Keep: Any
    Disposition_Filter: Any
    Disposition_Content: Any
    Disposition_Send: Any
    Disposition_Fail: Any


class Metadata(MutableMapping[str, Value]):
    """The metadata of the message, a mapping from texts to values. A key that is missing is a `KeyError`."""

    __slots__ = ("_message",)

    def __init__(self, message: "Message") -> None:
        self._message = message

    def __getitem__(self, key: str) -> Value:
        value = self._message._get(key) if _is_text(_key(key)) else None
        if value is None:
            raise KeyError(key)
        return self._message._from_world(value)

    def __setitem__(self, key: str, value: Value) -> None:
        if not _key(key).isascii():
            key.encode()
        self._message._set(key, self._message._to_world(value))

    def __delitem__(self, key: str) -> None:
        if not _is_text(_key(key)) or not self._message._delete(key):
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and _is_text(key) and self._message._get(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._message._keys())

    def __len__(self) -> int:
        return len(self._message._keys())

    def __repr__(self) -> str:
        return f"Metadata({ {key: self._message._from_world(value) for key, value in self._message._pairs()} })"


def _is_text(text: str) -> bool:
    """Whether UTF-8 has it: what is not would end the call, with all of its messages."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _key(key: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a key of metadata is a str, not {type(key).__name__}")
    return key


class Message:
    """The message that the guest has before it.

    There is one object for all messages, which is valid until the guest's function returns: keep what you read of it,
    not the object.
    """

    __slots__ = (
        "_all",
        "_batch",
        "_bounds",
        "_changes",
        "_content",
        "_incoming",
        "_index",
        "_is_filtered",
        "_is_unusual",
        "_own",
        "_reason",
        "_sent",
        "_world",
        "metadata",
    )

    def __init__(self, world: World) -> None:
        self._world = world
        #: The metadata of the message.
        self.metadata = Metadata(self)
        self._batch: Any = None
        # Changes of metadata that the host was not told yet: a call of it costs more than all that it does for one.
        self._changes: list[tuple[int, str, Any]] = []
        self._index = 0
        self._content: bytes | None = None
        # The content as it came in, once it was read: what is set is another one.
        self._incoming: bytes | None = None
        self._reset()

    def _enter(self, batch: Any) -> None:
        self._batch = batch
        self._all: bytes | None = None
        # Where each content begins, and the last one ends.
        self._bounds: list[int] = []
        # Of a call that ended in the middle nothing stands.
        self._changes.clear()

    def _leave(self) -> None:
        self._tell()
        self._batch = None
        self._all = None
        self._content = self._incoming = None

    def _reset(self) -> None:
        """After a message that was failed, filtered or emitted. The loop over messages does the rest for each."""
        self._is_unusual = False
        self._is_filtered = False
        self._reason: str | None = None
        # What was sent; from then on the metadata are here, by key.
        self._sent: list[Any] | None = None
        self._own: dict[str, Any] | None = None

    def _finish_unusual(self) -> Any:
        """What becomes of one that was failed, filtered or emitted."""
        world = self._world
        if self._reason is not None:
            return world.Disposition_Fail(self._reason)
        if self._sent is not None:
            if not self._is_filtered:
                self._send()
            return world.Disposition_Send(self._sent)
        return world.Disposition_Filter()

    def _send(self) -> None:
        assert self._sent is not None and self._own is not None
        self._sent.append(self._world.Message(self.content, list(self._own.items())))

    def _host(self) -> Any:
        if self._batch is None:
            raise RuntimeError("the message is over: it is valid until the guest's function returns")
        return self._batch

    def _tell(self) -> None:
        if self._changes:
            self._batch.change_metadata(self._changes)
            self._changes.clear()

    def _told(self) -> Any:
        """The host, which knows of all changes of the metadata."""
        batch = self._host()
        if self._changes and self._changes[-1][0] == self._index:
            self._tell()
        return batch

    @property
    def content(self) -> bytes:
        """The content, to which bytes of any kind can be assigned. What is never read is never copied."""
        content = self._content
        return self._read() if content is None else content

    @content.setter
    def content(self, value: bytes | bytearray | memoryview) -> None:
        if self._batch is None:
            self._host()
        if type(value) is not bytes:
            if not isinstance(value, bytes | bytearray | memoryview):
                raise TypeError(f"a content is bytes, not {type(value).__name__}: `message.text` takes a str")
            value = bytes(value)
        self._content = value

    def _read(self) -> bytes:
        """The first content that is read of a batch. The loop over messages has those behind it."""
        # One call of the host for all of them: most guests read every content.
        self._all, self._bounds = self._host().contents()
        bounds, index = self._bounds, self._index
        bounds.insert(0, 0)
        content = self._content = self._incoming = self._all[bounds[index] : bounds[index + 1]]
        return content

    @property
    def text(self) -> str:
        """The content as text. Where it is not UTF-8, the message fails with the reason `the content is not UTF-8`."""
        try:
            return self.content.decode()
        except UnicodeDecodeError:
            raise Failure("the content is not UTF-8") from None

    @text.setter
    def text(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"a text is a str, not {type(value).__name__}")
        self.content = value.encode()

    def json(self) -> Any:
        """The content, read as JSON. A `json.JSONDecodeError` where it is none."""
        return json.loads(self.text)

    def set_json(self, value: Any) -> None:
        """Makes the content the JSON of a value."""
        self.content = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

    @property
    def error(self) -> str | None:
        """The error mark of a message that failed before it came here."""
        return self._host().error(self._index)

    def clear_error(self) -> None:
        """Removes the error mark."""
        self._host().clear_error(self._index)

    def emit(self) -> None:
        """Sends the message as it stands, and goes on with a copy of it."""
        batch = self._told()
        self._is_unusual = True
        if self._sent is None or self._own is None:
            self._sent = []
            self._own = dict(batch.metadata(self._index))
        self._send()

    def filter(self) -> None:
        """The message is not sent when the function returns; what was emitted is. It counts as delivered."""
        self._host()
        self._is_unusual = True
        self._is_filtered = True

    def fail(self, reason: object) -> None:
        """The message goes on as it came in, marked with this reason, whatever else was done to it."""
        self._host()
        self._is_unusual = True
        self._reason = told(str(reason))

    @property
    def index(self) -> int:
        """Which one it is in its own batch, from 0."""
        return self._host().position(self._index)[0]

    @property
    def batch_length(self) -> int:
        """How many messages its own batch has."""
        return self._host().position(self._index)[1]

    def _get(self, key: str) -> Any:
        batch = self._told()
        return batch.get_metadata(self._index, key) if self._own is None else self._own.get(key)

    def _set(self, key: str, value: Any) -> None:
        self._host()
        if self._own is not None:
            self._own[key] = value
            return
        self._changes.append((self._index, key, value))
        if _CHANGES_MAX <= len(self._changes):
            self._tell()

    def _delete(self, key: str) -> bool:
        batch = self._told()
        if self._own is None:
            return batch.delete_metadata(self._index, key)
        return self._own.pop(key, None) is not None

    def _keys(self) -> list[str]:
        batch = self._told()
        return batch.metadata_keys(self._index) if self._own is None else sorted(self._own)

    def _pairs(self) -> list[tuple[str, Any]]:
        batch = self._told()
        if self._own is None:
            return batch.metadata(self._index)
        # In the order of the host, which is that of their bytes, and of their letters at the same time.
        return sorted(self._own.items(), key=lambda it: it[0])

    def _to_world(self, value: Value) -> Any:
        world = self._world
        if isinstance(value, str):
            if not value.isascii():
                # Not UTF-8, and an exception here: the host would end the call, with all of its messages.
                value.encode()
            return world.Value_Text(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return world.Value_Bytes(bytes(value))
        return world.Value_Json(json.dumps(value, allow_nan=False))

    def _from_world(self, value: Any) -> Value:
        return json.loads(value.value) if isinstance(value, self._world.Value_Json) else value.value
