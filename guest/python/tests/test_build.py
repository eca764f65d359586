"""The command that makes components: what it says before anything is made."""

import tempfile
import unittest
from pathlib import Path

from wappa_guest.__main__ import BuildError, build


class Refusals(unittest.TestCase):
    """Mistakes of a guest."""

    def refusal(self, name: str, text: str | None = None) -> str:
        """Why it is not built."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, name)
            if text is not None:
                file.write_text(text)
            with self.assertRaises(BuildError) as told:
                build(str(file), False, Path(folder, "out.wasm"), False)
            return str(told.exception).replace(folder, "FOLDER")

    def test_files(self) -> None:
        """Something that can be imported."""
        self.assertEqual(self.refusal("guest.py"), "FOLDER/guest.py: there is no such file")
        self.assertRegex(self.refusal("my-guest.py", ""), "^FOLDER/my-guest.py: it cannot be imported: ")

    def test_guests(self) -> None:
        """With a function that is called."""
        imports = "from wappa_guest import processor\n"
        self.assertIn("the module `guest` has no function with `@processor`", self.refusal("guest.py", imports))
        asynchronous = f"{imports}@processor\nasync def work(message): pass\n"
        self.assertIn("TypeError: `work` is asynchronous", self.refusal("guest.py", asynchronous))
        self.assertIn("ModuleNotFoundError: No module named 'nowhere'", self.refusal("guest.py", "import nowhere\n"))
