"""Everything the command line prints for people; readable at 100 columns, with colour only beside words."""

from training.report.account_tables import tiers_of_book, top_accounts, waterfall
from training.report.data_tables import catalogue, contract_report, guessed
from training.report.evidence_tables import evidence
from training.report.rival_tables import backtest, comparison
from training.report.service_tables import deliveries, facts, keys, plays, policy_preview

__all__ = [
    "backtest",
    "catalogue",
    "comparison",
    "contract_report",
    "deliveries",
    "evidence",
    "facts",
    "guessed",
    "keys",
    "plays",
    "policy_preview",
    "tiers_of_book",
    "top_accounts",
    "waterfall",
]
