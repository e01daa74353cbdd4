"""Every error that omics_nb raises on purpose, as one tree.

::

    OmicsError
    ├── QuestionError            the question is empty or cannot be read
    ├── SettingsError            a setting has a value that cannot work
    ├── MissingExtraError        an optional package is needed; says the pip line
    ├── SourceError              a source could not answer
    │   ├── UnknownSourceError   no source of that name
    │   ├── NotFoundError        no record with that accession
    │   ├── PrivateRecordError   the record exists and is not public yet
    │   ├── OfflineError         the network or the server cannot be reached
    │   ├── BlockedError         the server answered with a challenge or a block page
    │   ├── RateLimitError       too many requests, after patient retries
    │   ├── BackendError         the server failed or answered what it should not
    │   └── ModelError           a language model cannot be used or did not answer
    ├── DataError                data that cannot be used as asked
    │   ├── FormatError          a file is not what it should be (file, line, expected)
    │   ├── IntegrityError       a file is damaged: truncated, swapped, wrong length
    │   ├── TableError           rows of a batch that cannot run, each with its problem
    │   └── NoMatrixError        the study has no values in the place that was asked for
    ├── AnalysisError            an analysis that must not be run as asked
    │   ├── DesignError          factors, levels or coefficients that do not fit the samples
    │   └── ScaleError           values on a scale that the method is not made for
    ├── AgentError               an agent is unknown or got arguments that it does not take
    └── RunError                 the workflow runner
        ├── FlowError            a flow is not well formed
        ├── StoreError           the store is missing, read-only, corrupt or newer
        ├── RunNotFoundError     no run with that id
        ├── RunFailedError       a step failed; the run can be resumed
        └── RowError             a row of a batch did not come to its end
            ├── RowFailedError   a cell of its notebook raised
            ├── RowTimeoutError  it took longer than it may
            ├── OutOfMemoryError it took more memory than it may, or than there was
            ├── KernelDiedError  its kernel ended by itself, or was killed
            └── RowCancelledError  it was stopped

A message says what was wrong, with its value, and what would be right. Facts that a caller may want
are keyword arguments of the constructor and attributes of the error.
"""

from __future__ import annotations


class OmicsError(Exception):
    """The root. ``facts`` holds what a program may want to know of the error."""

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.facts = facts

    def __getattr__(self, name: str) -> object:
        # Only called for names that are not there otherwise: `error.accession`, `error.line`.
        facts = self.__dict__.get("facts", {})
        if name in facts:
            return facts[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}; it has {sorted(facts)}")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), str(self), self.facts)


def _rebuild(kind: type[OmicsError], message: str, facts: dict[str, object]) -> OmicsError:
    return kind(message, **facts)


class QuestionError(OmicsError): ...


class SettingsError(OmicsError): ...


class MissingExtraError(OmicsError): ...


class SourceError(OmicsError): ...


class UnknownSourceError(SourceError): ...


class NotFoundError(SourceError): ...


class PrivateRecordError(SourceError): ...


class OfflineError(SourceError): ...


class BlockedError(SourceError): ...


class RateLimitError(SourceError): ...


class BackendError(SourceError): ...


class ModelError(SourceError): ...


class DataError(OmicsError): ...


class FormatError(DataError): ...


class IntegrityError(DataError): ...


class TableError(DataError): ...


class NoMatrixError(DataError): ...


class AnalysisError(OmicsError): ...


class DesignError(AnalysisError): ...


class ScaleError(AnalysisError): ...


class AgentError(OmicsError): ...


class RunError(OmicsError): ...


class FlowError(RunError): ...


class StoreError(RunError): ...


class RunNotFoundError(RunError): ...


class RunFailedError(RunError): ...


class RowError(RunError): ...


class RowFailedError(RowError): ...


class RowTimeoutError(RowError): ...


class OutOfMemoryError(RowError): ...


class KernelDiedError(RowError): ...


class RowCancelledError(RowError): ...
