"""The use cases: enumerate changes, sync rows, verify, sweep, settle. They know ports only."""
