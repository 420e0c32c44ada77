"""Findings become alerts: grouped, routed, suppressed, worded and followed to their end. No I/O, no clock."""
