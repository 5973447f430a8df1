# SPDX-License-Identifier: MIT
"""A terminal for tests: starts a program on a pseudo-terminal and talks to it. Every wait has a limit."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time


class Terminal:
    def __init__(self, argv, rows=24, cols=80, limit=120):
        self.limit = limit
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(argv[0], argv)
        self.resize(rows, cols)

    def resize(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def send(self, text):
        os.write(self.fd, text.encode())

    def _read(self, end):
        if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.seen += data
        return bool(data)

    def expect(self, pattern):
        """Waits for a regular expression in what was printed since the last match."""
        end = time.monotonic() + self.limit
        while True:
            match = re.search(pattern.encode(), self.seen)
            if match:
                self.seen = self.seen[match.end():]
                return match
            if not self._read(end):
                raise SystemExit(f"waited in vain for {pattern!r}; last seen: {self.seen[-2000:]!r}")

    def repeat(self, text, pattern):
        """Sends a line until its answer matches: for what takes effect a moment later."""
        end = time.monotonic() + self.limit
        while time.monotonic() < end:
            self.send(text)
            pause = time.monotonic() + 2
            while time.monotonic() < pause:
                if re.search(pattern.encode(), self.seen):
                    return self.expect(pattern)
                self._read(pause)
        raise SystemExit(f"waited in vain for {pattern!r}; last seen: {self.seen[-2000:]!r}")

    def end(self):
        """Waits for the program's end; returns its exit status as a shell would."""
        end = time.monotonic() + self.limit
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            self._read(min(end, time.monotonic() + 0.2))
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        raise SystemExit(f"the program did not end; last seen: {self.seen[-2000:]!r}")


def check(condition, message):
    if not condition:
        sys.exit(message)


def until(argv, pattern, limit=120):
    """Runs a command until what it prints matches."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if re.search(pattern, subprocess.run(argv, capture_output=True, text=True).stdout):
            return
        time.sleep(0.1)
    sys.exit(f"{argv} never printed {pattern!r}")
