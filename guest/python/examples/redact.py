"""Redact masks members of a JSON object, at any depth: those that the config `fields` names."""

from typing import Any

from wappa_guest import Config, Failure, Message, configure, processor

MASK = "***"

fields: set[str] = set()


@configure
def start(config: Config) -> None:
    """Reads the names."""
    global fields
    # A config without names has none, rather than one that is empty.
    fields = {it for it in config.get("fields", "password,email").split(",") if it}


@processor
def redact(message: Message) -> None:
    """Works on one message."""
    message.set_json(masked(object_in(message)))


def object_in(message: Message) -> dict[str, Any]:
    """The content, which has to be a JSON object."""
    try:
        value = message.json()
    except (ValueError, Failure):
        value = None
    if not isinstance(value, dict):
        raise Failure("not a JSON object")
    return value


def masked(value: Any) -> Any:
    """The value with its members masked."""
    if isinstance(value, dict):
        return {key: MASK if key in fields else masked(member) for key, member in value.items()}
    if isinstance(value, list):
        return [masked(element) for element in value]
    return value
