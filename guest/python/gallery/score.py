"""Scores payments with a small decision tree that is compiled in, and puts the score into the metadata `risk`."""

from typing import Any

from wappa_guest import Message, processor

#: As a training tool prints it: the name of a feature, a threshold, what holds up to it and what above; or a score.
_TREE: Any = (
    "amount",
    200.0,
    ("attempts", 3.0, 0.02, 0.41),
    ("account_days", 30.0, ("attempts", 1.0, 0.55, 0.93), ("amount", 5000.0, 0.08, 0.37)),
)


def score(features: dict[str, float]) -> float:
    """The score of a leaf."""
    node = _TREE
    while isinstance(node, tuple):
        name, threshold, below, above = node
        node = below if features[name] <= threshold else above
    return node


@processor
def rate(message: Message) -> None:
    """Reads the features, and leaves the content as it is."""
    payment = message.json()
    features = {}
    for name in ("amount", "attempts", "account_days"):
        value = payment.get(name) if isinstance(payment, dict) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            message.fail(f"`{name}` is no number")
            return
        features[name] = float(value)
    message.metadata["risk"] = score(features)
