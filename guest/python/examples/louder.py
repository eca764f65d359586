"""Louder appends three exclamation marks to the content, which may be any bytes."""

from wappa_guest import Message, processor


@processor
def louder(message: Message) -> None:
    """Works on one message."""
    message.content += b"!!!"
