"""Checks Kusto queries with Microsoft's own language service, without a workspace.

`tables.json` has the columns of the tables that are asked, as Azure Monitor's reference lists
them. What is within a dynamic column the service cannot know.
"""
