"""What a guest can do, against the mock host."""

import logging
import sys
import unittest
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from wappa_guest import Config, Failure, Message, _failure, configure, count, log, processor
from wappa_guest._guest import _guests
from wappa_guest._host import Handler
from wappa_guest.testing import DidNotStart, Host, Input, Output, start


def host_of(
    process: Callable[[Message], Any], configured: Callable[[Config], Any] | None = None, **config: str
) -> Host:
    """Starts a guest that is made of functions."""
    module = ModuleType("guest_of_a_test")
    _guests.pop(module.__name__, None)
    for decorator, function in ((processor, process), (configure, configured)):
        if function is not None:
            function.__module__ = module.__name__
            decorator(function)
    return start(module, config)


def one(process: Callable[[Message], Any], message: Input | None = None) -> list[Output]:
    """What comes of one message."""
    return host_of(process).process(message or Input())[0]


def reason(process: Callable[[Message], Any], message: Input | None = None) -> str | None:
    """Why it failed."""
    [out] = one(process, message)
    return out.error


class Guests(unittest.TestCase):
    """One topic each."""

    def test_an_exception_fails_its_message_with_its_line(self) -> None:
        """And no other message."""

        def process(message: Message) -> None:
            if message.text == "bad":
                message.metadata["there"]
            message.metadata["seen"] = True

        line = process.__code__.co_firstlineno + 2
        out = host_of(process).process(Input("good"), Input("bad"), Input("good"))
        self.assertEqual([it.metadata for [it] in out], [{"seen": True}, {}, {"seen": True}])
        self.assertRegex(out[1][0].error or "", rf"^KeyError: 'there', at .*test_guest\.py:{line}$")
        self.assertEqual(out[1][0].content, b"bad")

    def test_reasons(self) -> None:
        """Whatever is raised."""

        def raises(thrown: BaseException) -> Callable[[Message], None]:
            def process(message: Message) -> None:
                raise thrown

            return process

        class Untold(Exception):
            def __str__(self) -> str:
                raise ValueError

        self.assertEqual(reason(raises(Failure("too late"))), "too late")
        self.assertRegex(reason(raises(SystemExit(3))) or "", "^SystemExit: 3, at ")
        self.assertRegex(reason(raises(ZeroDivisionError())) or "", "^ZeroDivisionError, at ")
        self.assertRegex(reason(raises(Untold())) or "", "an exception that cannot be told, at ")
        self.assertEqual(reason(lambda message: message.fail("no")), "no")

        def imports(_: Message) -> None:
            import nowhere  # type: ignore[import-not-found] # noqa: F401

        self.assertRegex(reason(imports) or "", "^ModuleNotFoundError: No module named 'nowhere', at ")
        # As in a component.
        with mock.patch.object(_failure, "roots", [str(Path(__file__).parent)]):
            self.assertRegex(reason(imports) or "", "'nowhere' .a component has .* import it where your module begins")
        self.assertRegex(reason(recursion) or "", "^RecursionError: ")

    def test_what_utf8_does_not_have(self) -> None:
        """Half a surrogate pair, which JSON can name, costs no more than its message."""

        def process(message: Message) -> None:
            match message.text:
                case "key":
                    message.metadata["\ud800"] = "v"
                case "value":
                    message.metadata["k"] = "\ud800"
                case "raise":
                    raise ValueError("half: \ud800")
                case "fail":
                    message.fail("half: \ud800")
                case "log":
                    log.info("half: \ud800")
                case "missing":
                    message.metadata["n"] = ["\ud800" in message.metadata, message.metadata.get("\ud800")]
                    message.metadata.pop("\ud800", None)

        host = host_of(process)
        outs = host.process(*(Input(it) for it in ("key", "value", "raise", "fail", "log", "missing")))
        errors = [it.error for [it] in outs]
        self.assertRegex(errors[0] or "", "^UnicodeEncodeError: ")
        self.assertRegex(errors[1] or "", "^UnicodeEncodeError: ")
        self.assertRegex(errors[2] or "", "^ValueError: half: [?], at ")
        self.assertEqual(errors[3:], ["half: ?", None, None])
        self.assertEqual(outs[5][0].metadata, {"n": [False, None]})
        self.assertEqual(host.logs[-1], ("info", "half: ?"))

    def test_what_failed_is_as_it_came_in(self) -> None:
        """Whatever was done to it before."""

        def process(message: Message) -> None:
            message.content = b"other"
            message.metadata["k"] = "v"
            del message.metadata["old"]
            message.clear_error()
            message.emit()
            raise Failure("no")

        [out] = one(process, Input("in", {"old": 1}, "earlier"))
        self.assertEqual(out, Output(b"in", {"old": 1}, "no"))

    def test_contents(self) -> None:
        """Bytes, texts, JSON."""

        def to(value: Any) -> Callable[[Message], None]:
            return lambda message: setattr(message, "content", value)

        self.assertEqual(one(to(bytearray(b"ab")))[0].content, b"ab")
        self.assertEqual(one(to(memoryview(b"ab")))[0].content, b"ab")
        self.assertRegex(reason(to("text")) or "", "^TypeError: a content is bytes, not str")
        self.assertRegex(reason(to(7)) or "", "^TypeError: a content is bytes, not int")
        self.assertEqual(one(lambda message: setattr(message, "text", "é"))[0].text, "é")
        self.assertEqual(reason(lambda message: message.text and None, Input(b"\xff")), "the content is not UTF-8")
        [out] = one(lambda message: message.set_json({"a": message.json()["b"]}), Input('{"b": [1, "é"]}'))
        self.assertEqual(out.text, '{"a":[1,"é"]}')
        self.assertRegex(reason(lambda message: message.set_json(float("nan"))) or "", "^ValueError: ")

    def test_metadata(self) -> None:
        """All kinds of values."""
        values: dict[str, Any] = {
            "text": "t",
            "number": 1.5,
            "big": 1 << 70,
            "list": [1, {"a": None}],
            "none": None,
            "bytes": b"\xff",
        }

        def process(message: Message) -> None:
            metadata = message.metadata
            self.assertEqual(list(metadata), sorted(values))
            self.assertEqual(dict(metadata), values)
            self.assertEqual(metadata.get("missing", 7), 7)
            self.assertTrue("none" in metadata and "missing" not in metadata and 1 not in metadata)
            del metadata["none"]
            with self.assertRaises(KeyError):
                del metadata["none"]
            metadata["new"] = len(metadata)
            with self.assertRaises(TypeError):
                metadata["k"] = object()  # type: ignore[assignment]
            with self.assertRaises(TypeError):
                metadata[1] = "v"  # type: ignore[index]

        [out] = one(process, Input(metadata=values))
        self.assertIsNone(out.error)
        del values["none"]
        self.assertEqual(out.metadata, {**values, "new": 5})

    def test_emitting_goes_on_with_a_copy(self) -> None:
        """Content, metadata and mark."""

        def process(message: Message) -> None:
            message.content = b"a"
            message.metadata["n"] = 1
            message.emit()
            message.content = b"b"
            message.metadata["n"] = 2
            del message.metadata["k"]
            message.emit()
            message.content = b"c"

        out = one(process, Input(metadata={"k": "v"}, error="earlier"))
        expected = [(b"a", {"k": "v", "n": 1}), (b"b", {"n": 2}), (b"c", {"n": 2})]
        self.assertEqual(out, [Output(content, metadata, "earlier") for content, metadata in expected])

    def test_a_message_that_was_kept_is_over(self) -> None:
        """It says so."""
        kept = []
        host_of(kept.append).process(Input("a"))
        for use in (lambda it: it.content, lambda it: it.metadata["k"], lambda it: it.emit()):
            with self.assertRaisesRegex(RuntimeError, "the message is over"):
                use(kept[0])

    def test_log_counters_config_and_positions(self) -> None:
        """What is around a message."""

        def configured(config: Config) -> None:
            log.info(f"hello, {config['name']}")

        def process(message: Message) -> None:
            count("all")
            count("bytes", len(message.content))
            message.text = f"{message.index}/{message.batch_length}"
            logger = logging.Logger("of the test")
            logger.addHandler(Handler())
            logger.warning("%s!", "careful")

        host = host_of(process, configured, name="ann")
        self.assertEqual(host.logs, [("info", "hello, ann")])
        out = host.process(Input("abc"), Input("d"))
        self.assertEqual([it.text for [it] in out], ["0/2", "1/2"])
        self.assertEqual((host.counter("all"), host.counter("bytes")), (2, 4))
        self.assertEqual(host.logs[1:], [("warn", "careful!")] * 2)
        for arguments in (("not a name",), ("n", -1), ("n", True), ("n", 1 << 64)):
            self.assertRegex(reason(lambda _, it=arguments: count(*it)) or "", "^ValueError: ")

    def test_a_guest_that_does_not_start(self) -> None:
        """The reason is that of `configure`, or what is wrong with its functions."""

        def configured(config: Config) -> None:
            raise Failure("no config `x`")

        async def waits(message: Message) -> None:
            pass

        def yields(message: Message) -> Any:
            yield message

        with self.assertRaisesRegex(DidNotStart, "^no config `x`$"):
            host_of(lambda message: None, configured)
        with self.assertRaisesRegex(TypeError, "`waits` is asynchronous"):
            host_of(waits)
        with self.assertRaisesRegex(TypeError, "`yields` is a generator"):
            host_of(yields)
        with self.assertRaisesRegex(TypeError, "has no function with `@processor`"):
            start(sys)
        self.assertRegex(reason(lambda message: waits(message)) or "", "is asynchronous")
        host_of(lambda message: None)
        with self.assertRaisesRegex(TypeError, "there is another one already"):
            processor(named_as_a_guest)

    def test_the_world_is_that_of_the_host(self) -> None:
        """The copy that is installed with the library."""
        home = Path(__file__).resolve().parent.parent
        ours = home / "src/wappa_guest/wit/processor.wit"
        self.assertEqual(ours.read_text(), (home.parent / "wit/processor.wit").read_text())


def named_as_a_guest(message: Message) -> None:
    """One more."""


named_as_a_guest.__module__ = "guest_of_a_test"


def recursion(message: Message) -> None:
    """Without an end."""
    recursion(message)
