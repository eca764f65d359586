"""Tests of the guest: `python3 -m unittest` in the folder above."""

import sys
from pathlib import Path

# The project's copy of the SDK is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "sdk/src"))
