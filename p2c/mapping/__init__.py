"""The pure core: turns a row of Sales into a record for F&O, or into the reason why not.

It knows transforms, conversions and filters, but neither template files nor services: templates
are read and checked by `p2c.templates`, which builds the values that live here.
"""
