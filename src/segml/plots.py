"""Every frame and its plot, in one place for notebooks: ``plot_x(x_frame(...), ax=None) -> Axes``."""

from __future__ import annotations

from segml.evaluation.calibration import gains_frame, reliability_frame, value_decile_frame
from segml.evaluation.metrics import classification_report_frame, value_report_frame
from segml.evaluation.plots import plot_gains, plot_reason_summary, plot_reliability, plot_value_deciles
from segml.evaluation.plots_segment_flows import plot_migration, plot_segment_map, plot_snake
from segml.evaluation.plots_segments import (
    plot_k_selection,
    plot_membership_certainty,
    plot_profile_heatmap,
    plot_segment_sizes,
)
from segml.models.reasons import reason_summary_frame
from segml.models.segments.migration import migration_frame, migration_matrix, net_flows
from segml.models.segments.profiles import profile_segments, typical_customers
from segml.models.segments.segment_actions import suggest_actions
from segml.models.segments.segment_map import segment_map_frame
from segml.models.segments.selection import restart_stability_frame

__all__ = [
    "classification_report_frame",
    "gains_frame",
    "migration_frame",
    "migration_matrix",
    "net_flows",
    "plot_gains",
    "plot_k_selection",
    "plot_membership_certainty",
    "plot_migration",
    "plot_profile_heatmap",
    "plot_reason_summary",
    "plot_reliability",
    "plot_segment_map",
    "plot_segment_sizes",
    "plot_snake",
    "plot_value_deciles",
    "profile_segments",
    "reason_summary_frame",
    "reliability_frame",
    "restart_stability_frame",
    "segment_map_frame",
    "suggest_actions",
    "typical_customers",
    "value_decile_frame",
    "value_report_frame",
]
