"""The side of the library that is in the component. What the guest is, is said by the command that builds it."""

import importlib
import logging
import sys

from componentize_py_types import Err  # type: ignore[import-not-found]
from wit_world import exports  # type: ignore[import-not-found]
from wit_world.imports import log as log_of_world  # type: ignore[import-not-found]
from wit_world.imports import metrics, types  # type: ignore[import-not-found]

from . import _failure, _host
from ._guest import Transform as Inner
from ._guest import guest_of

_LEVELS = {name.lower(): level for name, level in log_of_world.Level.__members__.items()}


class _World:
    def log(self, level: str, text: str) -> None:
        log_of_world.log(_LEVELS[level], text)

    def count(self, name: str, delta: int) -> None:
        metrics.counter_add(name, delta)


def transform_of(name: str, root: str) -> type:
    """What the component exports, for the guest that is the module of this name."""
    _host.current = _World()
    root_of_log = logging.getLogger()
    root_of_log.addHandler(_host.Handler())
    root_of_log.setLevel(logging.NOTSET)
    module = importlib.import_module(name)
    if "datetime" in sys.modules:
        # What `strptime` imports when it is called first, which would be too late.
        importlib.import_module("_strptime")
    _failure.roots = [root] if root else _roots(module.__file__ or "", name)
    inner = Inner(guest_of(module), types)

    class Transform(exports.Transform):
        def configure(self, config: list[tuple[str, str]]) -> None:
            reason = inner.configure(config)
            if reason is not None:
                raise Err(reason)

        def process(self, batch: types.Batch) -> list[types.Disposition]:
            with batch:
                return inner.process(batch)

    return Transform


def _roots(file: str, name: str) -> list[str]:
    """The folder that the module was found in, whatever it is called in the component."""
    for _ in name.split("."):
        file = file.rpartition("/")[0]
    return [file + "/"]
