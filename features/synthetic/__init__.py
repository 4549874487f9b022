"""A seeded simulator of a B2B SaaS company whose law of churn is known.

`simulate` draws a company, `write` exports it as raw files with the keepwell.toml that reads them.
"""

from features.synthetic.company import Company, simulate
from features.synthetic.files import configuration, write
from features.synthetic.programme import Programme
from features.synthetic.truth import Truth

__all__ = ["Company", "Programme", "Truth", "configuration", "simulate", "write"]
