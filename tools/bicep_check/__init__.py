"""Checks Bicep files without Bicep's compiler, which no package manager carries.

What it takes from elsewhere: the grammar (tree-sitter-bicep) and the properties of Azure's
resource types (`types/`, made by `python -m tools.bicep_check.azure_types`). What it knows by
itself: names, modules, the functions and decorators that `infra/` uses, and how types fit.

It reports a construct that it does not know, instead of letting it pass. It is no compiler:
it builds no template, and asks Azure nothing.
"""
