"""From history to a promoted model; the only layer with hindsight."""
