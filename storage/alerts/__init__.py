"""What is kept of alerts: brought up to date with their findings, found again, answered, and told on."""
