"""`swipewatch video --to`: looks through a store's cameras at the store, and sends what was seen to the centre."""
