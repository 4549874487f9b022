"""Leak checks by experiment: does a feature know what nobody could have known at its snapshot?

No check looks at a name. An honest signal is a state of the account: other signals, its own past, or the same
signal some days earlier tell of it too. A leak is told by nothing but the outcome. So a feature is accused only
when it tells much AND nothing that was known before corroborates it:

* alone: it ranks churners far better than all other signals together do, uncorroborated;
* purity: in some part of its range (missing counts) nearly everybody, or surely nobody, churns, and neither the
  other signals expect that nor does anything tell who is in that part;
* ahead: it is closer to the next snapshot's other signals than to its own snapshot's;
* freshness: what it tells is gone when it is seen some days earlier, while other features keep theirs; or much
  of it is there at nearly every last snapshot and none of it one label window before;
* static: an attribute that never changes tells which accounts will ever leave;
* permutation: with outcomes dealt to other accounts, later slices are ranked at an AUC of 0.5.
"""

from training.leaks.checks import check, shifted_matrix, shifted_rows
from training.leaks.leak import Leak

__all__ = ["Leak", "check", "shifted_matrix", "shifted_rows"]
