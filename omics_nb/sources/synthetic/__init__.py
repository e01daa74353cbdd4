"""The archive that the project generates itself: studies of people who never were, with known truth.

``specification → samples → values → texts → files``: ``catalogue`` says what there is, ``sheet`` makes
samples of it, ``planted`` knows the truth, ``values`` simulates, ``describe`` and ``write`` put it into GEO's
words and formats, and ``archive`` lays it out as GEO's FTP tree. Everything is a function of the
specification: the same on every machine.
"""

from .archive import VERSION as VERSION
from .archive import content_digest as content_digest
from .archive import ensure_archive as ensure_archive
from .planted import Truth as Truth
from .planted import truth as truth
from .simulate import expect_two_groups as expect_two_groups
from .simulate import simulate_counts as simulate_counts
from .simulate import simulate_expression as simulate_expression
