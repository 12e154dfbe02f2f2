"""The state of a sandbox as a whole, and how it is reset."""

from time import monotonic

from p2c.sandbox.dataverse.service import Dataverse
from p2c.sandbox.demo import fill
from p2c.sandbox.faults import Faults, Service
from p2c.sandbox.fno.service import Fno
from p2c.sandbox.switches import Latency, ServiceLatency, Start, Switches
from p2c.sandbox.traffic import Limits, Traffic


class State:
    """Both simulators with their switches, faults, latency and counters."""

    def __init__(self, start: Start) -> None:
        self.switches = Switches()
        self.latency = Latency()
        self.faults = Faults()
        self.traffic: dict[Service, Traffic] = {}
        self.limits: dict[Service, Limits] = {}
        self.generation = 0
        self.dataverse = Dataverse()
        self.fno = Fno()
        self.reset(start)

    def reset(self, start: Start) -> None:
        """Begin anew: set-up data, or the demo company; switches, faults and counters too.

        Requests that a fault had put off are not carried out any more.
        """
        self.dataverse = Dataverse(start.demo.seed)
        self.fno = Fno()
        self.faults = Faults(start.demo.seed)
        self.latency = Latency()
        self.reset_traffic()
        self.limits = {"dataverse": Limits(monotonic), "fno": Limits(monotonic)}
        self.generation += 1
        self.set_switches(Switches())
        fill(self.dataverse, self.fno, start)

    def set_switches(self, switches: Switches) -> None:
        """Turn switches for both simulators."""
        self.switches = switches
        self.dataverse.switches = switches
        self.fno.switches = switches

    def reset_traffic(self) -> None:
        """Count from zero."""
        self.traffic = {"dataverse": Traffic(), "fno": Traffic()}

    def simulator(self, service: Service) -> Dataverse | Fno:
        """The simulator of a service."""
        return self.dataverse if service == "dataverse" else self.fno

    def latency_of(self, service: Service) -> ServiceLatency:
        """The latency of a service."""
        return self.latency.dataverse if service == "dataverse" else self.latency.fno
