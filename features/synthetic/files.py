"""A simulated company as files: what a stranger would be handed, with the keepwell.toml that reads them."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from features.synthetic.company import Company

PATHS = {
    "accounts": "accounts.csv",
    "subscriptions": "subscriptions.csv",
    "usage": "usage.parquet",
    "feedback": "feedback.csv.gz",
    "support": "support.csv",
    "touchpoints": "touchpoints.csv",
    "invoices": "invoices.csv",
    "interventions": "interventions.csv",
    "churns": "churns.csv",
}

CONFIG = """\
# A simulated SaaS company. Columns that already have Keepwell's names need no mapping.
[company]
name = "Simulated SaaS"
business_model = "saas"

[sources]
accounts = {{ path = "accounts.csv", known_at = "created_at", attributes = ["country", "industry"] }}
subscriptions = {{ path = "subscriptions.csv", known_at = "updated_at" }}
usage = {{ path = "usage.parquet", known_at = "loaded_at" }}
feedback = {{ path = "feedback.csv.gz" }}
support = {{ path = "support.csv", known_at = "updated_at" }}
touchpoints = {{ path = "touchpoints.csv" }}
invoices = {{ path = "invoices.csv" }}
interventions = {{ path = "interventions.csv" }}
churns = {{ path = "churns.csv" }}

[churn]
kind = "contract"
horizon_days = 28
observed_until = {end:%Y-%m-%d}

[snapshots]
every_days = 28

[evidence]
test_from = {test_from:%Y-%m-%d}
"""


def write(company: Company, folder: Path) -> Path:
    """Write the raw tables and keepwell.toml into a folder, made if need be; returns the latter's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for source, path in PATHS.items():
        _write(company.tables[source], folder / path)
    config = folder / "keepwell.toml"
    config.write_text(configuration(company.end, company.test_from), encoding="utf-8")
    return config


def configuration(end: datetime, test_from: datetime) -> str:
    """The keepwell.toml of a simulated company, given the ends of its history and of its training period."""
    return CONFIG.format(end=end, test_from=test_from)


def _write(table: pa.Table, path: Path) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path, compression="zstd")
    elif path.suffix == ".gz":
        with pa.CompressedOutputStream(str(path), "gzip") as out:
            csv.write_csv(table, out)
    else:
        csv.write_csv(table, path)
