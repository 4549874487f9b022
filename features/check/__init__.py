"""The contract report: counted, shown and doubted, before anything is learned from it."""

from features.check.contract_report import Report, SourceReport, report, write_quarantine

__all__ = ["Report", "SourceReport", "report", "write_quarantine"]
