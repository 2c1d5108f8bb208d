"""Connections of a process are ended from outside, whatever it does with its files meanwhile."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import psutil
from matting_server.connections import end_connections


def test_descriptors_that_change_meanwhile_are_passed_over() -> None:
    def change() -> None:
        while not stop.is_set():
            for kind in (socket.socket, lambda: os.fdopen(os.open("/dev/null", 0))):
                for each in [kind() for _ in range(40)]:
                    each.close()

    before, stop = psutil.Process().num_fds(), threading.Event()
    thread = threading.Thread(target=change)
    thread.start()
    ended = {end_connections(os.getpid(), 1, Path("/nowhere")) for _ in range(300)}
    stop.set()
    thread.join()
    assert ended == {0} and psutil.Process().num_fds() == before
