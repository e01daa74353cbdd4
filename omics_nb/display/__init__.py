"""Values → HTML and text: pure functions, everything escaped, for titles come from strangers.

``*_html`` gives what a notebook shows of a value, with its own style; ``*_text`` the same for a terminal,
about 100 columns wide; ``*_body`` (in the modules) the HTML without style, for a page that brings its own.
Each says which source the value came from, and synthetic data wears a badge.
"""

from __future__ import annotations

from .around import family_html as family_html
from .around import family_sentence as family_sentence
from .around import family_text as family_text
from .around import files_html as files_html
from .around import files_sentence as files_sentence
from .around import files_text as files_text
from .around import publications_html as publications_html
from .around import publications_sentence as publications_sentence
from .around import publications_text as publications_text
from .around import raw_data_html as raw_data_html
from .around import raw_data_sentence as raw_data_sentence
from .around import raw_data_text as raw_data_text
from .cell_quality import cell_quality_html as cell_quality_html
from .cell_quality import cell_quality_text as cell_quality_text
from .enrichment import enrichment_html as enrichment_html
from .enrichment import enrichment_text as enrichment_text
from .markup import STYLE as STYLE
from .markup import Html as Html
from .markup import clean as clean
from .markup import el as el
from .meta import forest_text as forest_text
from .meta import meta_html as meta_html
from .meta import meta_text as meta_text
from .precheck import precheck_html as precheck_html
from .precheck import precheck_text as precheck_text
from .question import explain_query as explain_query
from .question import hits_html as hits_html
from .question import hits_text as hits_text
from .question import query_html as query_html
from .result import result_html as result_html
from .result import result_text as result_text
from .study import fitness_html as fitness_html
from .study import fitness_text as fitness_text
from .study import quality_html as quality_html
from .study import quality_text as quality_text
from .study import study_html as study_html
from .study import study_text as study_text
from .summary import summary_html as summary_html
from .summary import summary_text as summary_text
