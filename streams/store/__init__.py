"""The live store: accepted events as columns with an index of rows for each key; see docs/architecture.md."""
