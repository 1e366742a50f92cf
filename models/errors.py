"""The errors that Futing raises on purpose; each says what is wrong, where, and what to do.

FutingError
├── ConfigError        a setting, rule or manifest that cannot be used; the run stops before it starts
├── WeightsError       a model file that is missing, unreachable or not what its checksum says
└── CallError          one recording that cannot be heard; the night goes on
    .code              an error_code of the `calls` table
    .transient         whether trying again may help (storage, memory, time), which drives retries
"""

TRANSIENT_CODES = frozenset({"out_of_memory", "timeout", "io", "still_growing"})
TERMINAL_CODES = frozenset({"empty", "not_audio", "undecodable", "too_short"})


class FutingError(Exception):
    """Base of every error that a user is meant to read."""


class ConfigError(FutingError):
    """A setting, rule file or manifest cannot be used."""


class WeightsError(FutingError):
    """A model file is missing, unreachable or damaged."""


class CallError(FutingError):
    """One recording cannot be heard. `code` is one of TRANSIENT_CODES or TERMINAL_CODES."""

    def __init__(self, code: str, message: str) -> None:
        if code not in TRANSIENT_CODES | TERMINAL_CODES:
            raise ValueError(f"unknown error code {code!r}")
        super().__init__(message)
        self.code = code

    @property
    def transient(self) -> bool:
        return self.code in TRANSIENT_CODES
