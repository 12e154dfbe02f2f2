"""The evaluation itself: what Bicep would refuse, and what differs by parameters."""

import pytest

from tests.infra.deployment import REQUIRED, deployed
from tests.infra.files import INFRA
from tools.bicep_check.evaluate import EvaluationError, evaluate
from tools.bicep_check.functions import FUNCTIONS
from tools.bicep_check.library import LIBRARY


def run(text, **parameters):
    return evaluate({"main.bicep": text}, INFRA, parameters).outputs


def test_every_function_that_is_checked_is_evaluated_too():
    assert set(LIBRARY) | {"loadTextContent"} == set(FUNCTIONS)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_parameter_without_a_default_is_needed(name):
    given = {other: value for other, value in REQUIRED.items() if other != name}
    with pytest.raises(EvaluationError, match=f"needs the parameter '{name}'"):
        evaluate(
            {path.name: path.read_text("utf-8") for path in INFRA.glob("*.bicep")}, INFRA, given
        )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("settleSeconds", 899),
        ("maximumInstanceCount", 0),
        ("instanceMemoryMB", 1024),
        ("legalEntity", "usmf5"),
        ("environmentName", ""),
        ("storageSku", "Premium_LRS"),
        ("retentionDays", 731),
    ],
)
def test_a_parameter_outside_its_limits_is_refused(name, value):
    with pytest.raises(EvaluationError, match=f"'{name}' is "):
        deployed(**{name: value})


def test_a_parameter_that_is_not_there_is_refused():
    with pytest.raises(EvaluationError, match="no parameter 'fnoURL'"):
        deployed(fnoURL="https://contoso.operations.dynamics.com")


def test_reading_what_is_not_deployed_is_an_error():
    text = """
param on bool
resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = if (on) {
  name: 'a'
}
output id string = account!.id
"""
    assert run(text, on=True) == {"id": "<account.id>"}
    with pytest.raises(EvaluationError, match="'account' is not deployed"):
        run(text, on=False)


def test_objects_are_united_with_what_is_within_them():
    text = """
param more object
var whole = union({ a: { x: 1, y: 2 }, b: [ 1 ] }, more)
output whole object = whole
"""
    assert run(text, more={"a": {"y": 3}, "c": 4}) == {
        "whole": {"a": {"x": 1, "y": 3}, "b": [1], "c": 4}
    }


def test_loops_lambdas_and_conditions_are_evaluated():
    text = """
param names array
var pairs = flatten(map(names, each => [each, '${each}-poison']))
output texts array = [for (name, index) in pairs: '${index}${toUpper(name)}']
output last string = empty(names) ? 'none' : pairs[1]
"""
    assert run(text, names=["a", "b"]) == {
        "texts": ["0A", "1A-POISON", "2B", "3B-POISON"],
        "last": "a-poison",
    }
    assert run(text, names=[])["last"] == "none"


def test_a_text_that_azure_decides_says_where_it_is_from():
    (site,) = deployed().of_type("Microsoft.Web/sites")
    storage = site.body["properties"]["functionAppConfig"]["deployment"]["storage"]
    assert storage["value"] == "<storage.account.properties.primaryEndpoints.blob>deployments"
