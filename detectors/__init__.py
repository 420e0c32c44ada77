"""Rules as pure functions over slabs of events: numpy and events only, no clock, no I/O, no hidden state."""
