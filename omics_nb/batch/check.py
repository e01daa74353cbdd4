"""The whole table against what its notebook or flow declares, before anything runs: every problem, each by its row."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from difflib import get_close_matches
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import settings
from ..errors import OmicsError, TableError
from .coerce import coerce
from .declared import Parameter
from .look import Looks, UnansweredError
from .meanings import check_form
from .names import DEFAULT, check_template, fill
from .secrets import PREFIX, asks_for_secret, secret
from .table import Row, Table, read_table
from .targets import Target, target_of

if TYPE_CHECKING:
    from .table import Source

OUT = "out"


class Problem(NamedTuple):
    """What is wrong with a cell, a row (no ``column``) or a column (no ``row``), and what would be right."""

    message: str
    row: int | None = None
    column: str | None = None
    value: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        where = (
            []
            if self.row is None
            else [f"row {self.row}" + ("" if self.line in (None, self.row) else f" (line {self.line})")]
        )
        where += [] if self.column is None else [f"column {self.column!r}"]
        shown = "" if self.value is None else f"{self.value} "
        return f"{', '.join(where)}: {shown}{self.message}" if where else f"{shown}{self.message}"


class Planned(NamedTuple):
    """A row that may run: the name of its output, and the values that its parameters get."""

    row: int
    name: str
    parameters: Mapping[str, Any]
    remarks: Mapping[str, str] = {}


class Checked(NamedTuple):
    """A table that was looked at as a whole; it is right if there is no problem."""

    table: str
    target: Target
    n_rows: int
    rows: tuple[Planned, ...]
    problems: tuple[Problem, ...]

    @property
    def bad_rows(self) -> tuple[int, ...]:
        """Numbers of the rows that have a problem."""
        return tuple(sorted({problem.row for problem in self.problems if problem.row is not None}))

    def require(self, *, skip_invalid: bool = False) -> tuple[Planned, ...]:
        """The rows that may run. TableError for problems: all but those of rows, which ``skip_invalid`` leaves out."""
        whole = [problem for problem in self.problems if problem.row is None]
        if whole or not self.rows or (self.problems and not skip_invalid):
            raise TableError(str(self), problems=self.problems)
        return self.rows

    def __str__(self) -> str:
        head = f"{self.table}: {self.n_rows} rows for {self.target.name}"
        if not self.problems:
            return f"{head}, all right"
        bad = f", {len(self.bad_rows)} of them cannot run" if self.bad_rows else ""
        return "\n".join(
            [f"{head}{bad}; {len(self.problems)} problem(s):", *(f"  {item}" for item in self.problems)]
        )

    def _repr_html_(self) -> str:
        if not self.problems:
            return f"<p>{escape(str(self))}</p>"
        cells = [
            (problem.row or "", problem.column or "", problem.value or "", problem.message)
            for problem in self.problems
        ]
        body = "".join("<tr>" + "".join(f"<td>{escape(str(c))}</td>" for c in row) + "</tr>" for row in cells)
        head = "".join(f"<th>{name}</th>" for name in ("row", "column", "value", "what would be right"))
        told = escape(str(self).partition("\n")[0])
        return f"<p>{told}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def check_batch(
    table: Source,
    notebook: str | Path | None = None,
    *,
    flow: str | None = None,
    name: str = DEFAULT,
    source: str | None = None,
    look: bool = True,
) -> Checked:
    """The table against what the notebook or flow declares; nothing runs. Shows every problem, each by its row.

    ``source`` is where studies come from, as for :func:`.batches.start_batch`; without ``look`` it is not asked.
    """
    return check(read_table(table), target_of(notebook, flow), name=name, source=source, look=look)


def check(
    table: Table, target: Target, *, name: str = DEFAULT, source: str | None = None, look: bool = True
) -> Checked:
    """The table, looked at as a whole. SettingsError for a template of names that cannot be used at all.

    ``name`` is the template of the outputs' names (:mod:`.names`). ``source`` becomes the value of the parameter that
    means it, in rows that say nothing of it. With ``look`` rows are held against their source (:mod:`.look`).
    """
    check_template(name, tuple(target.parameters))
    problems = _column_problems(table, target)
    if not table.rows:
        problems.append(Problem("there is no row below the header"))
    known = _Known(table, target, {column: _meant(column, table, target) for column in table.columns}, source)
    planned: list[Planned] = []
    taken: dict[str, int] = {}
    looks = Looks() if look else None
    for row in table.rows:
        found = _row_problems(row, known)
        parameters = {} if row.fault else _values(row, known, found)
        _fill_source(parameters, target, source)
        if looks is not None and not row.fault:
            try:
                _look(row, known, parameters, looks, found)
            except UnansweredError as error:  # told once: a source that is silent is not asked for each row
                problems.append(Problem(f"{error}. --no-look leaves the source out of the check"))
                looks = None
        label = "" if found else _name(row, name, parameters, taken, found)
        problems += found
        if not found:
            remarks = {key: str(cell) for key, cell in row.cells.items() if key.startswith("#")}
            planned.append(Planned(row.number, label, parameters, remarks))
    return Checked(table.name, target, len(table.rows), tuple(planned), tuple(problems))


class _Known(NamedTuple):
    """What all rows share; ``meant`` maps a column to the parameter that its cells are for."""

    table: Table
    target: Target
    meant: Mapping[str, Parameter | None]
    source: str | None


def _meant(column: str, table: Table, target: Target) -> Parameter | None:
    """The parameter of a column. That of a misspelled one is held against what it was meant for: its problem is told
    once, and those of its cells with it.
    """
    if column == OUT or column.startswith("#"):
        return None
    near = get_close_matches(column, [name for name in target.parameters if name not in table.columns], 1)
    return target.parameters.get(column) or (target.parameters[near[0]] if near else None)


def _fill_source(parameters: dict[str, Any], target: Target, source: str | None) -> None:
    name = target.named("source")
    if source and name is not None and parameters.get(name) is None:
        parameters[name] = source


def source_of(parameters: Mapping[str, Any], target: Target, source: str | None) -> str:
    """The source that a row asks: its own, the batch's, the notebook's default, the settings'."""
    name = target.named("source")
    own = (parameters.get(name) or source or target.parameters[name].default) if name else source
    return str(own or settings.load().source)


def _look(row: Row, known: _Known, parameters: Mapping[str, Any], looks: Looks, found: list[Problem]) -> None:
    """Add what the source says of a row. :class:`.look.UnansweredError` where it says nothing."""
    wrong = {problem.column for problem in found}
    written = {item.name: column for column, item in known.meant.items() if item is not None}
    named = {item.meaning: item for item in known.target.parameters.values() if item.meaning}
    given = {
        meaning: parameters.get(item.name, item.default)
        for meaning, item in named.items()
        if written.get(item.name, item.name) not in wrong
    }
    source = source_of(parameters, known.target, known.source)
    for trouble in looks.troubles(given, source):
        name = named.get(trouble.meaning, named["accession"]).name
        column = written.get(name, name)
        shown = _shown(row.cells[column]) if column in row.cells else None
        found.append(Problem(trouble.message, row.number, column, shown, row.line))


def _column_problems(table: Table, target: Target) -> list[Problem]:
    found = []
    for column in table.columns:
        wrong = None if column.startswith("#") else _column_fault(column, target)
        if wrong is not None:
            found.append(Problem(wrong, None, column[:100]))
    return found


def _column_fault(column: str, target: Target) -> str | None:
    if not column.isidentifier() or keyword.iskeyword(column):
        return "is no name that a parameter can have; letters, digits and '_' are, or '#' before a remark"
    if column == OUT and OUT in target.parameters:
        return "is given by the batch, which has a folder for each row; choose the rows' names by --name"
    if column in target.parameters:
        return None
    known = [name for name in target.parameters if name != OUT]
    near = get_close_matches(column, known, 1)
    meant = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known) or 'none'}."
    return f"is no parameter of {target.name}; {meant} A remark has '#' before its name"


def _row_problems(row: Row, known: _Known) -> list[Problem]:
    if row.fault:
        return [Problem(row.fault, row.number, line=row.line)]
    there = {item.name for column in row.cells if (item := known.meant.get(column)) is not None}
    missing = [item for item in known.target.parameters.values() if item.required and item.name not in there]
    return [
        Problem(f"is missing; {known.target.name} cannot do without", row.number, item.name, line=row.line)
        for item in missing
    ]


def _values(row: Row, known: _Known, problems: list[Problem]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for column, cell in row.cells.items():
        parameter = known.meant.get(column)
        if parameter is None:
            continue  # a remark, or a column whose problem is told once
        try:
            value = coerce(cell, parameter, loose=known.table.loose)
            _check_secret(column, value)
            check_form(parameter.meaning, value)
            given[parameter.name] = value
        except (ValueError, OmicsError) as error:
            shown = None if asks_for_secret(column) else _shown(cell)
            problems.append(Problem(str(error), row.number, column, shown, row.line))
    return given


def _check_secret(column: str, value: Any) -> None:
    refers = isinstance(value, str) and value.startswith(PREFIX)
    if asks_for_secret(column) and value not in ("", None) and not refers:
        raise ValueError(
            "holds a secret as it is, which would be written to the notebook; write secret:NAME and keep the value in "
            "the environment variable NAME"
        )
    if refers:
        secret(value)


def _name(
    row: Row, template: str, parameters: Mapping[str, Any], taken: dict[str, int], problems: list[Problem]
) -> str:
    try:
        name = fill(template, row.number, parameters)
    except ValueError as error:
        problems.append(Problem(str(error), row.number, line=row.line))
        return ""
    other = taken.setdefault(name.casefold(), row.number)
    if other != row.number:
        told = f"would write {name!r}, which row {other} writes; put {{row:04}} into the template of names"
        problems.append(Problem(told, row.number, line=row.line))
    return name


def _shown(cell: Any) -> str:
    text = getattr(cell, "shown", None) or (
        repr(cell) if isinstance(cell, (str, int, float, bool, list, dict)) else f"<{type(cell).__name__}>"
    )
    return text if len(text) <= 80 else text[:77] + "…"
