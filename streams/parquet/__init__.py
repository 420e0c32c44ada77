"""Event files in Parquet, read straight into columns, and written; docs/events.md has the layout."""
