"""Sealing under a key outside the database: of rows, of files, and anew under another key."""
