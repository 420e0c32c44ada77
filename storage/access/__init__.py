"""Who may come in, the attempts that failed, and the trail of who changed what."""
