"""The guests of the gallery that are in Python, in one component, which is built and compiled once.

The config `guest` names the one that is meant.
"""

import access_log
import csv_to_json
import score

from wappa_guest import Config, Message, configure, processor

_GUESTS = {
    "access_log": (None, access_log.parse),
    "csv_to_json": (csv_to_json.start, csv_to_json.convert),
    "score": (None, score.rate),
}
_process = score.rate


@configure
def start(config: Config) -> None:
    """Gives the guest its config."""
    global _process
    prepare, _process = _GUESTS[config["guest"]]
    if prepare is not None:
        prepare(config)


@processor
def process(message: Message) -> None:
    """Gives the guest its message."""
    _process(message)
