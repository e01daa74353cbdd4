"""Forms and views over ``omics_nb`` for JupyterLab and Voila; they show and ask, the library knows.

::

    from omics_widgets import explore

    explore("tamoxifen in breast cancer, human", source="demo")

``explore`` is the whole page. Its parts are widgets of their own, and take the function they call as an
argument: ``QuestionBox``, ``HitsView``, ``StudySheet``, ``ComparisonPicker``, ``ResultView``,
``FigureView``, ``ReportSaver``, and ``Task``, which runs what takes long and shows its state and its errors.
Notebooks become dashboards by ``python -m omics_widgets.dashboard notebooks``.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from omics_nb.errors import MissingExtraError

if find_spec("ipywidgets") is None or find_spec("anywidget") is None:
    raise MissingExtraError(
        "the forms need ipywidgets and anywidget; run: pip install 'omics-nb[notebook]'", extra="notebook"
    )

if TYPE_CHECKING:
    from .batch import BatchForm as BatchForm
    from .comparison import ComparisonPicker as ComparisonPicker
    from .copylink import LinkButton as LinkButton
    from .explorer import ResultExplorer as ResultExplorer
    from .figures import FigureChoice as FigureChoice
    from .figures import FigureView as FigureView
    from .forms import Form as Form
    from .forms import form as form
    from .front import home as home
    from .front import recent_runs as recent_runs
    from .hits import HitsView as HitsView
    from .journey import Explore as Explore
    from .journey import Verbs as Verbs
    from .journey import explore as explore
    from .links import link as link
    from .question import QuestionBox as QuestionBox
    from .result import ReportSaver as ReportSaver
    from .result import ResultView as ResultView
    from .run_panel import RunPanel as RunPanel
    from .runs import RunsView as RunsView
    from .study import StudySheet as StudySheet
    from .study_page import StudyPage as StudyPage
    from .study_page import open_study as open_study
    from .table import Column as Column
    from .table import Table as Table
    from .task import Cancelled as Cancelled
    from .task import Task as Task
    from .trouble import error_card as error_card

# Loaded when they are first used: the dashboard's server needs none of them.
_HOMES = {
    "batch": "BatchForm",
    "comparison": "ComparisonPicker",
    "copylink": "LinkButton",
    "explorer": "ResultExplorer",
    "figures": "FigureChoice FigureView",
    "forms": "Form form",
    "front": "home recent_runs",
    "hits": "HitsView",
    "journey": "Explore Verbs explore",
    "links": "link",
    "question": "QuestionBox",
    "result": "ReportSaver ResultView",
    "run_panel": "RunPanel",
    "runs": "RunsView",
    "study": "StudySheet",
    "study_page": "StudyPage open_study",
    "table": "Column Table",
    "task": "Cancelled Task",
    "trouble": "error_card",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_HOME_OF)
