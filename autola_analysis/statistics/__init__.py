"""Intervals, differences of variants, and the rule that decides claims; no analysis is known here."""
