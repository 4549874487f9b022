"""Where a leak check begins to speak: set on honest and planted histories, and seen to hold on fresh ones."""

MUCH = 0.80
"""Honest single signals rarely rank this well; below it the other checks speak."""
TOO_MUCH = 0.95
"""Beyond it, corroboration by other signals is no excuse for outdoing them all."""
BEYOND_REST = 0.02
UNTOLD = 0.05
WELL_TOLD = 0.3
"""Variance among equals told by all else: below this nothing corroborates a feature (honest ones: 0.2 to 0.99)."""
NEARLY_ALL = 0.80
HARDLY_ANY = 0.30
MEMBERS = 0.65
AHEAD = 1.25
AHEAD_IN_CHANGES = 1.15
NO_LESS = 0.95
ENOUGH = 50
FATE = 0.85
HINT = 0.70
CLIFF = 0.5
TELLING = 0.58
HARDLY = 0.55
HALF_SEEN = 0.75
"""AUC of a warning that comes within one label window before leaving, at a time of its own: half are seen."""
SURE = 0.99
DRAWS = 200
