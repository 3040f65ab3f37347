"""Ctrl-C and SIGTERM reach a query that runs: DuckDB 2.0 itself seldom looks for signals while it works.

Python handles a signal only when the main thread comes back from the engine, which may be an hour later. So a thread
waits for the byte that the interpreter writes when a signal arrives, and interrupts every open connection; the query
then ends. Where DuckDB does look, it calls the handler itself and replaces what that raises by an error of its own, so
what was raised is kept, and raised again when the block ends.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

_connections: weakref.WeakSet[Any] = weakref.WeakSet()


class Terminated(KeyboardInterrupt):
    """SIGTERM: somebody who runs the machine asks the process to end."""


def register_connection(connection: Any) -> None:
    """Have a connection interrupted when a signal ends the command."""
    _connections.add(connection)


@contextlib.contextmanager
def signals_end_queries() -> Iterator[None]:
    """Let SIGINT and SIGTERM end a running query inside the block; SIGTERM raises `Terminated`.

    Outside the main thread, where Python allows no handlers, the block changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    former_wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    received: list[KeyboardInterrupt] = []

    def end(number: int, frame: FrameType | None) -> NoReturn:
        received.append(Terminated() if number == signal.SIGTERM else KeyboardInterrupt())
        raise received[-1]

    former = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    watcher = threading.Thread(target=_watch, args=(reader,), daemon=True, name="signals")
    watcher.start()
    try:
        yield
    except Exception as error:
        if received:
            raise received[0] from error
        raise
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(former_wakeup)
        writer.close()
        watcher.join()
        reader.close()


def _watch(reader: socket.socket) -> None:
    while received := reader.recv(64):
        if {*received} & {signal.SIGINT, signal.SIGTERM}:
            for connection in list(_connections):
                with contextlib.suppress(Exception):  # closed meanwhile
                    connection.interrupt()
