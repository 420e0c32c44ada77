"""Visitors: the same face has the same pseudonymous id while it is remembered; embeddings never leave here."""
