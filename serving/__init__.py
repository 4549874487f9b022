"""From a row of features to a person who acts: bundle, score, tiers, reasons."""
