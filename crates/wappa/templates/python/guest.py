"""A guest that greets the people whose names come as messages."""

from wappa_guest import Config, Message, configure, count, processor

greeting = "hello"


@configure
def start(config: Config) -> None:
    """Reads the config."""
    global greeting
    greeting = config.get("greeting", "hello")


@processor
def greet(message: Message) -> None:
    """Works on one message."""
    name = message.text
    if not name:
        message.filter()
        return
    message.text = f"{greeting}, {name}!"
    message.metadata["greeted"] = True
    count("greeted")
