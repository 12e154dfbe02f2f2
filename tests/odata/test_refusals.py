"""What a refusal says to people, and what of it may be logged."""

import json

import pytest

from p2c.odata.answer import Answer
from p2c.odata.refusals import refusal

SAID = "The name Kari Moen is too long."
PLAIN = {"code": "0x80060888", "message": SAID}
INFOLOG = {"code": "", "message": "An error has occurred.", "innererror": {"message": SAID}}


@pytest.mark.parametrize(
    ("error", "carried_rows", "logged"),
    [(PLAIN, False, True), (PLAIN, True, False), (INFOLOG, False, False), (INFOLOG, True, False)],
)
def test_words_that_may_quote_a_row_are_shown_and_not_logged(error, carried_rows, logged):
    answer = Answer(400, {}, json.dumps({"error": error}).encode())
    refused = refusal("fno", answer, "reading", advice="Mend it.", carried_rows=carried_rows)
    assert "Kari" in refused.message
    assert ("Kari" in refused.log_text) is logged
    assert refused.log_text.endswith("Mend it.")
