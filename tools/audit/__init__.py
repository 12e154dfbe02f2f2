"""Checks what p2c is made of: pins, licences, known vulnerabilities; writes an SBOM.

`make audit`, or ``python -m tools.audit``. What is allowed, and each exception with its reason, is
in ``policy.toml``. The SBOM's maker and the check for vulnerabilities are packages of their own
(``requirements.in``), installed into ``.p2c/audit`` so that their dependencies meet nobody else's.
"""
