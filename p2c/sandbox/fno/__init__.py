"""The simulator of the Finance and Operations OData service."""
