"""What holds for all tests."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from multiprocessing.util import Finalize

# Each test process has a folder of its own: what its servers leave behind is told from what runs beside them. Those of
# pytest stay where they were, as names of sockets in them must not be long.
_ABOVE = os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
_OWN = tempfile.mkdtemp(prefix="matting-tests-", dir=_ABOVE)
os.environ["TMPDIR"] = tempfile.tempdir = _OWN

# A shell that starts the tests behind `&`, or nohup, has SIGINT and SIGHUP ignored, and our servers and commands would
# inherit that; a handler of any kind is the default again in a process that starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# At the end of this process it goes, with all that tests have written: after multiprocessing's own folder in it, which
# goes at -100, and in this process alone, not in those that it forks.
Finalize(None, shutil.rmtree, args=(_OWN,), kwargs={"ignore_errors": True}, exitpriority=-200)
