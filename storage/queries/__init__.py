"""What pages read: alerts with all that is behind them, a store's notices, the day's numbers, cameras, dead letters."""
