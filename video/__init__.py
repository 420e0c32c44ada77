"""From camera pictures to face observations: sources, presence, health, quality, verdicts, visitors, worker."""
