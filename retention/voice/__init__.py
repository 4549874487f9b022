"""What customers say: NPS over time and by account, shifts, themes, and whether anybody answered them."""

from retention.voice.chapter import chapter

__all__ = ["chapter"]
