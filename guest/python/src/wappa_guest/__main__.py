"""The command that builds a guest: `wappa-guest build guest.py -o guest.wasm`."""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_APP = "wappa_guest_app"


class BuildError(Exception):
    """What can be wrong with a guest or a machine, for whoever builds."""


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser("wappa-guest", description="Makes a WebAssembly component of a guest in Python.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("build", help="build a component", description=main.__doc__)
    command.add_argument("guest", help="the file of the guest, or `-m` and the name of its module")
    command.add_argument("-m", dest="is_module", action="store_true", help="GUEST is a module, as in `orders.guest`")
    command.add_argument("-o", dest="out", required=True, metavar="FILE", help="the component")
    command.add_argument("-v", dest="is_verbose", action="store_true", help="show what componentize-py says")
    arguments = parser.parse_args()
    try:
        build(arguments.guest, arguments.is_module, Path(arguments.out), arguments.is_verbose)
    except BuildError as err:
        sys.exit(str(err))


def build(guest: str, is_module: bool, out: Path, is_verbose: bool) -> None:
    """Makes a component of the guest and of all packages that it imports."""
    root, name = (Path.cwd(), guest) if is_module else _module_of(Path(guest))
    _try_out(root, name)
    tool = _componentize_py()
    with tempfile.TemporaryDirectory(prefix="wappa-guest-") as scratch:
        app = Path(scratch, f"{_APP}.py")
        app.write_text(f"from wappa_guest._component import transform_of\nTransform = transform_of({name!r}, '')\n")
        # The library may be a copy inside of the project that nobody has installed.
        paths = [scratch, str(root), str(_HERE.parent), sysconfig.get_path("purelib")]
        found = [argument for path in dict.fromkeys(paths) for argument in ("-p", path)]
        out.parent.mkdir(parents=True, exist_ok=True)
        command = [
            *tool,
            "-d",
            str(_HERE / "wit"),
            "-w",
            "processor",
            "componentize",
            *found,
            _APP,
            "-o",
            str(out),
        ]
        ended = subprocess.run(command, capture_output=not is_verbose, text=True)
    if ended.returncode != 0:
        said = "" if is_verbose else f":\n{ended.stderr.strip()}"
        raise BuildError(f"componentize-py failed ({ended.returncode}){said}")


def _module_of(file: Path) -> tuple[Path, str]:
    if not file.is_file():
        raise BuildError(f"{file}: there is no such file")
    if file.suffix != ".py" or not file.stem.isidentifier():
        raise BuildError(f"{file}: it cannot be imported: a module is a file `NAME.py`, and its name has no `-`")
    return file.resolve().parent, file.stem


def _componentize_py() -> list[str]:
    """The tool of this Python, or the one on the path."""
    beside = Path(sys.executable).parent / "componentize-py"
    found = str(beside) if beside.is_file() else shutil.which("componentize-py")
    if found is None:
        way = "python3 -m venv .venv && . .venv/bin/activate && pip install componentize-py"
        raise BuildError(f"componentize-py is missing: {way}")
    return [found]


def _try_out(root: Path, name: str) -> None:
    """Imports the guest in a process of its own: mistakes are told here in the words that its author knows."""
    program = (
        "import importlib, sys\n"
        "from wappa_guest._guest import guest_of\n"
        f"sys.path.insert(0, {str(root)!r})\n"
        f"module = importlib.import_module({name!r})\n"
        "try:\n    guest_of(module)\n"
        "except TypeError as err:\n    sys.exit(str(err))\n"
    )
    path = os.pathsep.join(filter(None, [str(_HERE.parent), os.environ.get("PYTHONPATH")]))
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    if ended.returncode != 0:
        raise BuildError(f"the guest cannot be imported:\n{ended.stderr.strip()}")


if __name__ == "__main__":
    main()
