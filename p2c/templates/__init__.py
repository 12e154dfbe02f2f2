"""Templates: the shipped mappings, the projects that adapt them, and their checks.

A template is data (TOML) in Microsoft's words; loading one checks it against the shipped metadata
of both services and compiles it into the values that `p2c.mapping` runs. No service is asked.
"""

from p2c.templates.load import bound_templates, load_templates, shipped_names

__all__ = ["bound_templates", "load_templates", "shipped_names"]
