"""The page of every field says what the templates say."""

from tests.docs.pages import read
from tools.field_tables import page


def test_the_page_of_every_field_is_what_the_templates_give():
    assert read("docs/fields.md") == page(), "run: python -m tools.field_tables > docs/fields.md"
