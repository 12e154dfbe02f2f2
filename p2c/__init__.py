"""p2c keeps Dynamics 365 Sales and Dynamics 365 Finance and Operations in step.

It runs Microsoft's "Prospect to cash" templates as an Azure Functions app. Start with
``docs/architecture.md``; the folders are its layers and import only downwards.
"""

__version__ = "0.1.0"
