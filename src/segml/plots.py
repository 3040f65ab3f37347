"""Every frame and its plot, in one place for notebooks: ``plot_x(x_frame(...), ax=None) -> Axes``."""

from __future__ import annotations

from segml.evaluation.calibration import gains_frame, reliability_frame, value_decile_frame
from segml.evaluation.metrics import classification_report_frame, value_report_frame
from segml.evaluation.plots import plot_gains, plot_reason_summary, plot_reliability, plot_value_deciles
from segml.evaluation.plots_segments import (
    plot_k_selection,
    plot_membership_certainty,
    plot_profile_heatmap,
    plot_segment_sizes,
)
from segml.models.reasons import reason_summary_frame
from segml.models.segments.profiles import profile_segments

__all__ = [
    "classification_report_frame",
    "gains_frame",
    "plot_gains",
    "plot_k_selection",
    "plot_membership_certainty",
    "plot_profile_heatmap",
    "plot_reason_summary",
    "plot_reliability",
    "plot_segment_sizes",
    "plot_value_deciles",
    "profile_segments",
    "reason_summary_frame",
    "reliability_frame",
    "value_decile_frame",
    "value_report_frame",
]
