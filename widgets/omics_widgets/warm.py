"""Imported by the fork server, and by nothing else: does once what is slow when it is first done in a kernel."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.graph_objs import _figurewidget  # noqa: F401 - loaded when the first one is made

# Plotly's template is made of objects of fifty kinds, whose classes are loaded as each is looked at.
_template = go.Figure(go.Scattergl(x=[0], y=[0])).layout.template
LOOKED_AT = [_template.data[kind] for kind in _template.data]
