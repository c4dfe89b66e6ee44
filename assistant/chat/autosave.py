"""A growing answer is on the disk at most a second after its words came, however slow the next ones are."""

from __future__ import annotations

import threading

from assistant.chat.history import History, HistoryError, StoredMessage

INTERVAL = 0.9  # seconds; with the time of a save still within the second that a kill may cost


class Autosave:
    """Saves one streaming message from a timer's thread, so that the words on the screen do not wait for it.

    A save that fails is tried again by the next; :meth:`finish` is the one that reports.
    """

    def __init__(self, history: History, message: StoredMessage):
        self._history = history
        self._message = message
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def changed(self) -> None:
        """The message has new words."""
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(INTERVAL, self._save)
                self._timer.daemon = True
                self._timer.start()

    def finish(self) -> None:
        """Save the message as it is now, with its final status, and stop.

        Raises:
            HistoryError: it could not be saved.
        """
        with self._lock:
            timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            self._history.update_message(self._message)

    def _save(self) -> None:
        with self._lock:
            if self._timer is None:
                return  # finished while this was waiting for the lock
            self._timer = None
            try:
                self._history.update_message(self._message)
            except HistoryError:
                return
