"""Why a message failed."""

import os
from types import TracebackType

_HERE = os.path.dirname(__file__)
_STANDARD_LIBRARY = os.path.dirname(os.__file__)


class Failure(Exception):
    """An exception whose text alone is the reason why a message failed.

    Any other exception fails its message, too, with its type, its text, and the line of the source that it comes from.
    """


def told(text: str) -> str:
    """The text as it can be told: half a surrogate pair, as `"\\ud800"` of JSON makes it, is none that UTF-8 has."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def reason_of(thrown: BaseException) -> str:
    """Why a message failed, from whatever was raised."""
    return told(_reason_of(thrown))


def _reason_of(thrown: BaseException) -> str:
    # `__str__` of an exception is the guest's.
    try:
        text = str(thrown)
    except Exception:
        text = "an exception that cannot be told"
    if isinstance(thrown, Failure):
        return text
    name = type(thrown).__qualname__
    text = f"{name}: {text}" if text else name
    if roots and isinstance(thrown, ImportError):
        text += " (a component has what was imported when it was built: import it where your module begins)"
    place = place_of(thrown.__traceback__)
    return text if place is None else f"{text}, at {place}"


def place_of(traceback: TracebackType | None) -> str | None:
    """The innermost line that is of the guest's own sources, and neither of this library nor of another one."""
    place = None
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if is_own(file):
            place = f"{shown(file)}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place


#: Where the guest's sources are: a component has them in folders of other names.
roots: list[str] = []


def is_own(file: str) -> bool:
    """Whether a file is one of the guest's sources."""
    if os.path.dirname(file) == _HERE or "site-packages" in file or file.startswith(("<", _STANDARD_LIBRARY)):
        return False
    return not roots or any(file.startswith(it) for it in roots)


def shown(file: str) -> str:
    """A file as its author knows it."""
    for root in roots:
        if file.startswith(root):
            return file[len(root) :].lstrip("/")
    return os.path.relpath(file)
