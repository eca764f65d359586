"""Parses lines of access logs, in the combined format of Apache and nginx, into JSON. Other lines fail."""

import re
from datetime import datetime, timezone

from wappa_guest import Message, processor

_LINE = re.compile(
    r'(?P<client>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<method>[A-Z]+) (?P<path>\S+) (?P<protocol>[^"]+)" '
    r'(?P<status>\d{3}) (?P<bytes>\d+|-)(?: "(?P<referer>[^"]*)" "(?P<agent>[^"]*)")?'
)


@processor
def parse(message: Message) -> None:
    """Makes a document of a line, and puts the status into the metadata."""
    found = _LINE.fullmatch(message.text.strip())
    if found is None:
        message.fail("not a line of an access log")
        return
    entry = {key: value for key, value in found.groupdict().items() if value not in (None, "-", "")}
    entry["status"] = int(entry["status"])
    entry["bytes"] = int(entry.get("bytes", 0))
    time = datetime.strptime(entry["time"], "%d/%b/%Y:%H:%M:%S %z")
    entry["time"] = time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    message.set_json(entry)
    message.metadata["status"] = entry["status"]
