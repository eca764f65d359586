"""Split makes a message of every piece of the content that is not empty."""

from wappa_guest import Config, Message, configure, processor

separator = b","


@configure
def start(config: Config) -> None:
    """Reads the separator."""
    global separator
    separator = config.get("separator", ",").encode()
    if not separator:
        raise ValueError("the config `separator` is empty")


@processor
def split(message: Message) -> None:
    """Works on one message."""
    pieces = (it.strip(b" ") for it in message.content.split(separator))
    for index, piece in enumerate(filter(None, pieces)):
        message.content = piece
        message.metadata["split_index"] = index
        message.emit()
    # The pieces were sent; what is left of the message is not.
    message.filter()
