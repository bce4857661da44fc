"""Error measures, a noise model and plots for comparing formats on data: what the notebooks share.

The plots need matplotlib, which is imported when the first one is drawn: ``pip install 'numfmt[plot]'``.
"""

from .crossover import Crossover, crossover, float_qsnr_db, int_qsnr_db
from .metrics import ClipSearch, best_clip, decimal_accuracy, sqnr_db
from .plots import accuracy_curve, number_line

__all__ = [
    "ClipSearch",
    "Crossover",
    "accuracy_curve",
    "best_clip",
    "crossover",
    "decimal_accuracy",
    "float_qsnr_db",
    "int_qsnr_db",
    "number_line",
    "sqnr_db",
]
