"""The web: ingestion, the centre's dashboard, the stores' terminals, and how the process is doing."""
