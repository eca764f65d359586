"""Runs the guest on a host for tests, without WebAssembly."""

import unittest

import guest
from wappa_guest.testing import Input, start


class Greeting(unittest.TestCase):
    """What becomes of names."""

    def test_greets_and_leaves_out_those_without_a_name(self) -> None:
        """One message each."""
        host = start(guest, {"greeting": "welcome"})
        [greeted], nobody = host.process(Input("ann"), Input(""))
        self.assertEqual(greeted.text, "welcome, ann!")
        self.assertEqual(greeted.metadata, {"greeted": True})
        self.assertEqual(nobody, [])
        self.assertEqual(host.counter("greeted"), 1)

    def test_what_is_no_text_fails(self) -> None:
        """With a reason."""
        [[failed]] = start(guest).process(Input(b"\xff"))
        self.assertEqual(failed.error, "the content is not UTF-8")
