"""Whose faces are known: card holders and staff who are enrolled, visitors who are not, and who looked at whom."""
