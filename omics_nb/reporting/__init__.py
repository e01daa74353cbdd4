"""Everything that was found, as one document that carries its evidence.

``build_report(study, result, ...)`` gives a ``Report``; ``Report.save("GSE….html")`` writes it, the same as
JSON and the whole table as CSV; ``run_report_notebook({...}, folder)`` makes it by the notebook.
"""

from __future__ import annotations

from ..notebooks import find_notebook as find_notebook
from .build import build_report as build_report
from .document import Citation as Citation
from .document import Repeat as Repeat
from .document import Report as Report
from .document import SavedReport as SavedReport
from .document import Statement as Statement
from .export import FORMATS as FORMATS
from .export import save_formats as save_formats
from .export import table_csv as table_csv
from .meta import MetaReport as MetaReport
from .meta import build_meta_report as build_meta_report
from .names import file_name as file_name
from .notebook import run_report_notebook as run_report_notebook
