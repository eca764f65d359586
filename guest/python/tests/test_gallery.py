"""The gallery: guests as people write them."""

import functools
import importlib.util
import json
import unittest
from pathlib import Path
from types import ModuleType

from wappa_guest.testing import DidNotStart, Input, start

_GALLERY = Path(__file__).parent.parent / "gallery"


@functools.cache
def _guest(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"gallery_{name}", _GALLERY / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class AccessLog(unittest.TestCase):
    """Lines of access logs."""

    def test_a_line_becomes_a_document(self) -> None:
        """With its time in UTC, and what is not there left out."""
        line = '10.0.0.7 - ann [29/Nov/2026:22:10:00 +0100] "GET /a?b=c HTTP/1.1" 404 - "-" "curl/8.1"\n'
        [[out], [failed]] = start(_guest("access_log")).process(Input(line), Input("hello"))
        wanted = {
            "client": "10.0.0.7",
            "user": "ann",
            "time": "2026-11-29T21:10:00Z",
            "method": "GET",
            "path": "/a?b=c",
            "protocol": "HTTP/1.1",
            "status": 404,
            "bytes": 0,
            "agent": "curl/8.1",
        }
        self.assertEqual(json.loads(out.content), wanted)
        self.assertEqual(out.metadata, {"status": 404})
        self.assertEqual(failed.error, "not a line of an access log")


class CsvToJson(unittest.TestCase):
    """Files of CSV."""

    def test_rows_become_messages(self) -> None:
        """Quotes, line breaks in them, and another delimiter."""
        host = start(_guest("csv_to_json"), {"delimiter": ";"})
        [rows, failed, none] = host.process(
            Input('name;note\nann;"a; b\nc"\nbob;\n', {"file": "x.csv"}), Input("a;b\n1\n"), Input("a;b\n")
        )
        self.assertEqual([json.loads(it.content)["note"] for it in rows], ["a; b\nc", ""])
        self.assertEqual([it.metadata for it in rows], [{"file": "x.csv", "row": 0}, {"file": "x.csv", "row": 1}])
        self.assertEqual(failed[0].error, "row 1 has not as many fields as the header")
        self.assertEqual(none, [])

    def test_a_wrong_config_is_refused(self) -> None:
        """Before the first message."""
        with self.assertRaises(DidNotStart):
            start(_guest("csv_to_json"), {"delimiter": "::"})


class Score(unittest.TestCase):
    """A decision tree."""

    def test_each_leaf(self) -> None:
        """By its features."""
        host = start(_guest("score"))
        cases = [
            (10, 1, 900, 0.02),
            (10, 4, 900, 0.41),
            (300, 1, 10, 0.55),
            (300, 2, 10, 0.93),
            (300, 2, 100, 0.08),
            (9000, 2, 100, 0.37),
        ]
        for amount, attempts, days, wanted in cases:
            content = json.dumps({"amount": amount, "attempts": attempts, "account_days": days})
            [[out]] = host.process(Input(content))
            self.assertEqual((out.text, out.metadata), (content, {"risk": wanted}))
        [[failed]] = host.process(Input('{"amount": true}'))
        self.assertEqual(failed.error, "`amount` is no number")
