"""Tests of the library and of the examples: `python3 -m unittest` in the folder above."""

import sys
from pathlib import Path

_HOME = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(_HOME / "src"), str(_HOME / "examples")]
