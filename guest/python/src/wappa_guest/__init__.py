"""Write processors for Wappa, the stream processor that calls a function of a WebAssembly module for each message.

A guest is a module with one function::

    from wappa_guest import Message, processor

    @processor
    def louder(message: Message) -> None:
        message.content += b"!!!"
"""

from ._failure import Failure
from ._guest import Config, Configure, Process, configure, processor
from ._host import count, log
from ._message import Message, Metadata, Value

__all__ = [
    "Config",
    "Configure",
    "Failure",
    "Message",
    "Metadata",
    "Process",
    "Value",
    "configure",
    "count",
    "log",
    "processor",
]
