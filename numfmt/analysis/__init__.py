"""Error measures and plots for comparing formats on data: what the notebooks share.

The plots need matplotlib, which is imported when the first one is drawn: ``pip install 'numfmt[plot]'``.
"""

from .metrics import ClipSearch, best_clip, decimal_accuracy, sqnr_db
from .plots import accuracy_curve, number_line

__all__ = ["ClipSearch", "accuracy_curve", "best_clip", "decimal_accuracy", "number_line", "sqnr_db"]
