"""The simulator of Dataverse's Web API."""
