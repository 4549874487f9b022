"""Purity: a part of a feature's range that decides the outcome though nothing known before tells of it."""

from collections.abc import Iterator

import numpy as np
from scipy.stats import chi2

from training.intervals import Figure, wilson
from training.leaks import probes
from training.leaks.leak import Leak, flagged
from training.leaks.limits import HARDLY_ANY, MEMBERS, NEARLY_ALL, UNTOLD
from training.leaks.probes import Region
from training.leaks.ranks import Array
from training.leaks.sample import NOWHERE, Sample
from training.split import Rows


def purity(sample: Sample, j: int) -> Leak | None:
    """The first part of the feature's range that decides the outcome though nothing else tells of it."""
    columns = probes.rest_of(sample, j)
    rest = sample.matrix[:, columns]
    usual = np.full(len(rest), sample.churned.mean())
    for region in probes.regions(sample.matrix[:, j]):
        if not (_share(sample, region.rows).low > NEARLY_ALL or _few(sample, region.rows, usual)):
            continue
        for words, member in _suspect(sample, j, region, columns):
            if leak := _decided(sample, j, words, member, rest):
                return leak
    return None


def _suspect(sample: Sample, j: int, region: Region, columns: Rows) -> Iterator[tuple[str, Rows]]:
    """The region where nearly all churn, or hardly any, or that leaving means churn, if nothing tells of it."""
    member, shifted = region.rows, earlier(sample, j)
    before = np.where(sample.earlier == NOWHERE, np.nan, member[sample.earlier].astype(np.float64))
    known = [sample.matrix[:, columns]] if shifted is None else [sample.matrix[:, columns], shifted]
    if _share(sample, member).low > NEARLY_ALL:
        if not _foretold(sample, member, [*known, before]):
            yield region.words, member
        return
    told = probes.corroborated(sample, member.astype(np.float64), columns, shifted)
    if region.is_bin:
        told = max(told, probes.corroborated(sample, sample.matrix[:, j], columns, shifted))
    gone = (before == 1) & ~member
    if told <= UNTOLD:
        yield region.words, member
    elif _share(sample, gone).low > NEARLY_ALL and not _foretold(sample, gone, known):
        yield f"no longer {region.words.removeprefix('is ')}", gone


def _decided(sample: Sample, j: int, words: str, member: Rows, rest: Array) -> Leak | None:
    share, expected = _share(sample, member), probes.expected(sample, sample.churned, rest)
    usual = float(expected[member].mean())
    if not ((share.low > NEARLY_ALL and usual < share.low / 2) or _few(sample, member, expected)):
        return None
    told = f"where it {words} ({_accounts(sample, member):,} accounts), {share.value:.0%} churn; the other signals "
    figures = {"churned": share, "expected": Figure(usual, np.nan, np.nan)}
    return flagged("purity", sample.names[j], figures, told + f"expect {usual:.0%} and do not tell who is in that part")


def earlier(sample: Sample, j: int) -> Array | None:
    """The same feature as it was some days earlier, where that was measured."""
    return None if sample.shifted is None else sample.shifted[:, j]


def _share(sample: Sample, member: Rows) -> Figure:
    """Churn rate of a region, its interval as if each account were seen once."""
    accounts = _accounts(sample, member)
    return wilson(sample.churned[member].mean() * accounts if accounts else 0.0, accounts)


def _accounts(sample: Sample, member: Rows) -> int:
    return len(np.unique(sample.accounts[member]))


def _few(sample: Sample, member: Rows, expected: Array) -> bool:
    """Whether far fewer accounts churned in a region than expected (upper Poisson limit, Garwood 1936)."""
    per_account = sample.churned.sum() / max(1, _accounts(sample, sample.churned))
    most = chi2.ppf(0.975, 2 * _accounts(sample, sample.churned & member) + 2) / 2
    return bool(most < HARDLY_ANY * expected[member].sum() / max(1.0, per_account))


def _foretold(sample: Sample, member: Rows, columns: list[Array]) -> bool:
    """Whether other columns tell who is in a region among accounts of equal fate."""
    return (
        probes.within_fate(member, probes.expected(sample, member, np.column_stack(columns)), sample.churned) > MEMBERS
    )
