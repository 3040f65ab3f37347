"""Every frame and its plot, in one place for notebooks: ``plot_x(x_frame(...), ax=None) -> Axes``."""

from __future__ import annotations

from segml.evaluation.backtest import backtest_differences, backtest_frame
from segml.evaluation.calibration import gains_frame, reliability_frame, value_decile_frame
from segml.evaluation.metrics import classification_report_frame, value_report_frame
from segml.evaluation.plots import plot_gains, plot_reason_summary, plot_reliability, plot_value_deciles
from segml.evaluation.plots_profit import plot_backtest, plot_differences, plot_profit
from segml.evaluation.plots_purchases import (
    plot_frequency_recency,
    plot_return_curve,
    plot_tracking,
    plot_value_deciles_by_group,
)
from segml.evaluation.plots_segment_flows import plot_migration, plot_segment_map, plot_snake
from segml.evaluation.plots_segments import (
    plot_k_selection,
    plot_membership_certainty,
    plot_profile_heatmap,
    plot_segment_sizes,
)
from segml.evaluation.profit import profit_frame
from segml.evaluation.purchases import (
    frequency_recency_frame,
    interval_coverage_frame,
    return_curve_frame,
    tracking_frame,
    value_decile_by_group_frame,
)
from segml.models.reasons import reason_summary_frame
from segml.models.segment_reasons import segment_reasons_frame
from segml.models.segments.migration import migration_frame, migration_matrix, net_flows
from segml.models.segments.profiles import profile_segments, typical_customers
from segml.models.segments.segment_actions import suggest_actions
from segml.models.segments.segment_map import segment_map_frame
from segml.models.segments.selection import restart_stability_frame

__all__ = [
    "backtest_differences",
    "backtest_frame",
    "classification_report_frame",
    "frequency_recency_frame",
    "gains_frame",
    "interval_coverage_frame",
    "migration_frame",
    "migration_matrix",
    "net_flows",
    "plot_backtest",
    "plot_differences",
    "plot_frequency_recency",
    "plot_gains",
    "plot_k_selection",
    "plot_membership_certainty",
    "plot_migration",
    "plot_profile_heatmap",
    "plot_profit",
    "plot_reason_summary",
    "plot_reliability",
    "plot_return_curve",
    "plot_segment_map",
    "plot_segment_sizes",
    "plot_snake",
    "plot_tracking",
    "plot_value_deciles",
    "plot_value_deciles_by_group",
    "profile_segments",
    "profit_frame",
    "reason_summary_frame",
    "reliability_frame",
    "restart_stability_frame",
    "return_curve_frame",
    "segment_map_frame",
    "segment_reasons_frame",
    "suggest_actions",
    "tracking_frame",
    "typical_customers",
    "value_decile_by_group_frame",
    "value_decile_frame",
    "value_report_frame",
]
