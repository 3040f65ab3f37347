"""List files, one module a platform: contact data leave segml here and nowhere else."""

from segml.campaigns.export.lists import ExportResult, export_list
from segml.campaigns.export.platforms import PLATFORMS
from segml.campaigns.export.settings import ListExport

__all__ = ["PLATFORMS", "ExportResult", "ListExport", "export_list"]
