"""The deployed alerts, evaluated on what was sent, as Azure Monitor's documentation has it."""

from collections import defaultdict
from datetime import timedelta

from tests.support.workspace import Workspace, sent_at

MINUTES = {"PT15M": 15, "PT30M": 30, "PT1H": 60, "P2D": 2880}


def rule(deployment, key):
    """The properties of an alert's rule."""
    (found,) = (
        resource
        for resource in deployment.of_type("Microsoft.Insights/scheduledQueryRules")
        if resource.name.startswith(f"alert-{key}-")
    )
    return found.body["properties"]


def looks_back(properties):
    """How much of the past a rule's query sees."""
    longer = properties["overrideQueryTimeRange"]
    return timedelta(minutes=MINUTES[longer or properties["windowSize"]])


def raised(deployment, key, envelopes, now):
    """Evaluate a rule at a time.

    Returns:
        Of each combination of dimensions for which the alert is raised, their values in order.
    """
    properties = rule(deployment, key)
    if not properties["enabled"]:
        return set()
    (criterion,) = properties["criteria"]["allOf"]
    begin = now - looks_back(properties)
    seen = [envelope for envelope in envelopes if begin < sent_at(envelope) <= now]
    with Workspace(seen) as workspace:
        rows = workspace.ask(criterion["query"], now)
    split = defaultdict(list)
    for row in rows:
        split[tuple(row[one["name"]] for one in criterion["dimensions"])].append(row)
    assert criterion["operator"] == "GreaterThan"
    return {
        values
        for values, found in split.items()
        if _measured(criterion, found) > criterion["threshold"]
    }


def _measured(criterion, rows):
    if criterion["timeAggregation"] == "Count":
        return len(rows)
    assert criterion["timeAggregation"] == "Maximum"
    return max(row[criterion["metricMeasureColumn"]] for row in rows)
