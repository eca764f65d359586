"""Runs the examples over the data that all languages share, guest/examples/cases.json."""

import importlib
import json
import unittest
from pathlib import Path
from typing import Any

from wappa_guest.testing import Input, Output, start

CASES = json.loads((Path(__file__).resolve().parents[2] / "examples/cases.json").read_text())


class Examples(unittest.TestCase):
    """A subtest for each case."""

    def check_example(self, name: str) -> None:
        """Runs an example over its cases."""
        guest = importlib.import_module(name)
        self.assertTrue(CASES[name])
        for case in CASES[name]:
            with self.subTest(case["name"]):
                messages = [message_of(it) for it in case["in"]]
                out = start(guest, case["config"]).process(*messages)
                self.assertEqual([len(it) for it in out], [len(it) for it in case["out"]])
                for got, want, message in zip(out, case["out"], messages, strict=True):
                    for one, wanted in zip(got, want, strict=True):
                        self.check(one, wanted, message)

    def check(self, got: Output, want: dict[str, Any], message: Input) -> None:
        """Compares one message that came out."""
        if "failed" in want:
            self.assertEqual(got, Output(message.content, dict(message.metadata), want["failed"]))
            return
        if isinstance(want["content"], dict):
            self.assertEqual(json.loads(got.content), want["content"]["json"])
        else:
            self.assertTrue(got.content == bytes_of(want["content"]), got.content[:200])
        self.assertEqual(got.metadata, values_of(want))
        self.assertEqual(got.error, want.get("error"))

    def test_louder(self) -> None:
        """Any bytes."""
        self.check_example("louder")

    def test_redact(self) -> None:
        """JSON."""
        self.check_example("redact")

    def test_split(self) -> None:
        """One in, many out."""
        self.check_example("split")

    def test_route(self) -> None:
        """Metadata."""
        self.check_example("route")


def message_of(told: dict[str, Any]) -> Input:
    """A message that goes in."""
    return Input(bytes_of(told["content"]), values_of(told), told.get("error"))


def bytes_of(content: Any) -> bytes:
    """A content: text, or a list of pieces."""
    if isinstance(content, list):
        return b"".join(map(bytes_of, content))
    if isinstance(content, str):
        return content.encode()
    return bytes.fromhex(content["hex"]) if "hex" in content else content["repeat"].encode() * content["times"]


def values_of(told: dict[str, Any]) -> dict[str, Any]:
    """Metadata."""
    return {key: value_of(value) for key, value in told.get("metadata", {}).items()}


def value_of(value: Any) -> Any:
    """A value: text, bytes, or JSON."""
    if isinstance(value, str):
        return value
    return bytes.fromhex(value["hex"]) if "hex" in value else value["json"]
