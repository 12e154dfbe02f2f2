"""Simulators of Dataverse and of Finance and Operations, over real HTTP, with faults on demand.

They hold state, refuse what the real services refuse, and know nothing of the rest of p2c. In a
test or script::

    from p2c.sandbox import DemoSize, Fault, Sandbox

    with Sandbox(demo=DemoSize(accounts=20, contacts=60), fno_page_size=10) as sandbox:
        sandbox.add_faults(Fault(effect="reset_after", service="fno", method="POST"))
        run_against(sandbox.dataverse_url, sandbox.fno_url)    # any bearer token will do
        sandbox.requests()["fno"]["operations"]
        sandbox.fno_records("CustomersV2")

As a process of its own: ``python -m p2c.sandbox --accounts 320 --contacts 1600 [--json]``, which
prints both addresses when ready; `p2c.sandbox.control` documents the control interface that such a
process offers, `p2c.sandbox.switches` and `p2c.sandbox.faults` what can be set.

`p2c.sandbox.front` is what every request passes first; `p2c.sandbox.dataverse` and
`p2c.sandbox.fno` are the services themselves.
"""

from p2c.sandbox.faults import Fault
from p2c.sandbox.server import Sandbox, serve
from p2c.sandbox.switches import DemoSize, Latency, Start, Switches

__all__ = ["DemoSize", "Fault", "Latency", "Sandbox", "Start", "Switches", "serve"]
