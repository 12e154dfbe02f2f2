"""URLs: quoting, and roots and links that are not trusted."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c.odata import urls

ROOT = "https://org.crm4.dynamics.com/api/data/v9.2/"


def test_an_apostrophe_in_a_literal_is_doubled():
    assert urls.text_literal("O'Brien") == "'O''Brien'"


def test_a_key_names_every_part_in_order_and_quotes_it():
    parts = (("dataAreaId", "usmf"), ("CustomerAccount", "O'B/1&2 #%+"))
    expected = "CustomersV2(dataAreaId='usmf',CustomerAccount='O''B%2F1%262%20%23%25%2B')"
    assert urls.keyed("CustomersV2", parts) == expected


def test_the_value_of_an_option_cannot_end_the_option():
    found = urls.with_options("accounts", [("$filter", "name eq 'A&$top=1#x'")])
    assert found == "accounts?$filter=name%20eq%20'A%26$top=1%23x'"


@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_a_key_leads_back_to_its_values_whatever_they_hold(first, second):
    path = urls.keyed("Set", (("A", first), ("B", second)))
    assert not set(path) & set("/?#&+ ")
    expected = f"Set(A={urls.text_literal(first)},B={urls.text_literal(second)})"
    assert unquote(path) == expected


@pytest.mark.parametrize("text", ["", "a b", "a'b", "a/b", "1a", "a,b", "a" * 129, "é", "a\n"])
def test_what_is_no_name_never_gets_into_a_url(text):
    with pytest.raises(ValueError, match="is not the name"):
        urls.name(text)


def test_a_guid_is_returned_in_lower_case():
    written = "{60C4E274-0D87-E711-80E5-00155DB19E6D}"
    assert urls.guid(written) == "60c4e274-0d87-e711-80e5-00155db19e6d"


@pytest.mark.parametrize("text", ["", "60c4e274", "60c4e274-0d87-e711-80e5-00155db19e6d') or (1"])
def test_what_is_no_guid_never_gets_into_a_url(text):
    with pytest.raises(ValueError, match="not a GUID"):
        urls.guid(text)


@pytest.mark.parametrize(
    "url",
    [
        "https://org.crm4.dynamics.com",
        "https://org.crm4.dynamics.com/",
        "http://127.0.0.1:8080",
        "http://localhost",
        "http://[::1]:9",
    ],
)
def test_a_root_is_https_or_on_this_machine(url):
    assert urls.checked_root(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://org.crm4.dynamics.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "ftp://localhost",
        "org.crm4.dynamics.com",
        "",
        "https://user:secret@org.crm4.dynamics.com",
        "https://org.crm4.dynamics.com/?a=b",
        "https://org.crm4.dynamics.com:port",
        "https:// org",
    ],
)
def test_any_other_root_is_refused(url):
    with pytest.raises(ValueError, match=r"expected|URL|[Pp]ort"):
        urls.checked_root(url)


@pytest.mark.parametrize(
    "link",
    [
        ROOT + "accounts?$deltatoken=919042%2108%2f22%2f2017%2008%3a10%3a44",
        "https://ORG.crm4.dynamics.com:443/api/data/v9.2/accounts?$skiptoken=%3Ccookie%20a=%22b%22",
        ROOT + "accounts?$skiptoken=../../x",
    ],
)
def test_a_link_within_the_service_is_followed(link):
    urls.check_link(ROOT, link)


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/api/data/v9.2/accounts",
        "https://org.crm4.dynamics.com.evil.example/api/data/v9.2/accounts",
        "http://org.crm4.dynamics.com/api/data/v9.2/accounts",
        "https://org.crm4.dynamics.com:8443/api/data/v9.2/accounts",
        "https://org.crm4.dynamics.com@evil.example/api/data/v9.2/accounts",
        "https://evil.example\\@org.crm4.dynamics.com/api/data/v9.2/accounts",
        "https://org.crm4.dynamics.com/api/data/v9.2/../../../accounts",
        "https://org.crm4.dynamics.com/api/data/v9.2/%2e%2e/accounts",
        "https://org.crm4.dynamics.com/api/data/v9.2/./accounts",
        "https://org.crm4.dynamics.com/api/data/v9.2\\..\\accounts",
        "https://org.crm4.dynamics.com/api/data/v9.1/accounts",
        "https://org.crm4.dynamics.com/api/data/v9.20/accounts",
        "//org.crm4.dynamics.com/api/data/v9.2/accounts",
        "accounts?$skiptoken=1",
        "https://org.crm4.dynamics.com/api/data/v9.2/accounts?a b",
        "https://org.crm4.dynamics.com/api/data/v9.2/accounts\r\nHost: evil.example",
        "https://org.crm4.dynamics.com/api/data/v9.2/accounts\x7f",
        "https://[org/api/data/v9.2/accounts",
        "",
    ],
)
def test_a_link_that_leaves_the_service_is_refused(link):
    with pytest.raises(urls.LinkForeignError):
        urls.check_link(ROOT, link)


@given(st.text())
def test_a_link_of_any_text_is_followed_only_to_the_same_host(link):
    try:
        urls.check_link(ROOT, link)
    except urls.LinkForeignError:
        return
    assert urlsplit(link).hostname == "org.crm4.dynamics.com"
