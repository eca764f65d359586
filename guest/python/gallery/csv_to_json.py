"""Converts CSV to JSON: a message is a file with a header, and each of its rows becomes a message."""

import csv
import io

from wappa_guest import Config, Message, configure, processor

_delimiter = ","


@configure
def start(config: Config) -> None:
    """Reads the config: `delimiter` is the comma where there is none."""
    global _delimiter
    _delimiter = config.get("delimiter", ",")
    if len(_delimiter) != 1:
        raise ValueError(f"the config `delimiter` is one letter, not {_delimiter!r}")


@processor
def convert(message: Message) -> None:
    """Sends a document for each row. A row that is too short or too long fails the file."""
    reader = csv.DictReader(io.StringIO(message.text, newline=""), delimiter=_delimiter, strict=True)
    rows = list(reader)
    for number, row in enumerate(rows):
        if None in row or None in row.values():
            message.fail(f"row {number + 1} has not as many fields as the header")
            return
    for number, row in enumerate(rows):
        message.set_json(row)
        message.metadata["row"] = number
        message.emit()
    message.filter()
