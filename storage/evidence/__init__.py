"""Pictures, clips and originals: kept as sealed files that rows name, and deleted when their time is up."""
