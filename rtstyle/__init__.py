"""Real-time neural audio style transfer: play an instrument, hear another one, while playing."""

__version__ = "0.1.0"
