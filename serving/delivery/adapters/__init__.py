"""Customer-success systems: what a batch of scores looks like there, and what their answers say of each account.

Written against the vendors' documentation and tested against its forms; none was called. Their own health scores are
read-only or computed, so ours goes into custom fields on which an administrator builds a score.
"""

from serving.delivery.adapters import gainsight, hubspot, salesforce
from serving.delivery.adapters.fields import Adapter, Record, Refusal

ADAPTERS: dict[str, Adapter] = {
    "salesforce": salesforce.ADAPTER,
    "hubspot": hubspot.ADAPTER,
    "gainsight": gainsight.ADAPTER,
}

__all__ = ["ADAPTERS", "Adapter", "Record", "Refusal"]
