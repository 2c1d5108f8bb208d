"""What holds for all tests."""

from __future__ import annotations

import signal

# A shell that starts the tests behind `&`, or nohup, has SIGINT and SIGHUP ignored, and our servers and commands would
# inherit that; a handler of any kind is the default again in a process that starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
