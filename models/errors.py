"""The one family of errors that a user may see: what happened, the next step, and the exit code of a script.

Everything else that escapes is a bug. The command line prints ``message`` and ``hint`` on stderr and exits with
``exit_code``; the chat shows the same two lines.
"""

from __future__ import annotations


class UserError(Exception):
    """Something the user can act on.

    Args:
        message: one sentence: what happened, to which file or name.
        hint: the next step, as a sentence or a command to type.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None):
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(UserError):
    """The command or the settings ask for something that does not exist or contradicts itself."""

    exit_code = 2


class ModelError(UserError):
    """The model is missing, or its file cannot be used."""

    exit_code = 3


class DoesNotFit(UserError):
    """The input is longer than the context window allows."""

    exit_code = 4


class Unanswered(UserError):
    """The model wrote nothing that could be used."""


class NetworkError(UserError):
    """No source could be reached."""

    exit_code = 5


class IntegrityError(UserError):
    """Size or digest differ from what was promised."""

    exit_code = 6


class Cancelled(UserError):
    """The user stopped it."""

    exit_code = 130

    def __init__(self, message: str = "Cancelled.", hint: str | None = None):
        super().__init__(message, hint)
