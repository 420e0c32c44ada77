"""On a cluster: Kafka carries what flows from stage to stage, and the accepted log."""
