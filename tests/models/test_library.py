"""llama.cpp's log: what it is written to must not be collected, or the next line ends the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_CODE = """
import gc, sys
from models.llama import Model, library
library.llama_cpp.llama_log_callback(lambda *_: None)  # what was there before would be overwritten
gc.collect()
junk = [library.llama_cpp.llama_log_callback(lambda *_: None) for _ in range(1000)]
before = library.logged()
with Model(sys.argv[1]):
    pass
gc.collect()
print(library.logged() - before)
"""


def test_the_log_is_still_written_after_garbage_collection(tiny: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _CODE, str(tiny)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10
