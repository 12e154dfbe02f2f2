"""The words that the demo company is made of. All names are invented combinations.

There are few names for each country, so that people who seem to be entered twice are many.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Country:
    """What is needed to make up companies and people of one country."""

    code: str
    """ISO 3166, two letters."""
    spellings: tuple[str, ...]
    """As users enter it; mostly right."""
    currency: str
    dial: str
    forms: tuple[str, ...]
    places: tuple[tuple[str, str, str], ...]
    """City, postal code, state."""
    streets: tuple[str, ...]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]


COUNTRIES: tuple[Country, ...] = (
    Country(
        "NO",
        ("Norge", "Norway", "NO", "NORWAY", "norge", "Norge ", "NOR"),
        "NOK",
        "+47",
        ("AS", "ASA", "& Sønner AS", "ANS"),
        (
            ("Oslo", "0155", ""),
            ("Bergen", "5003", ""),
            ("Trondheim", "7011", ""),
            ("Tromsø", "9008", ""),
            ("Å i Lofoten", "8392", "Nordland"),
        ),
        ("Storgata", "Kirkeveien", "Skippergata", "Øvre Slottsgate"),
        ("Kari", "Bjørn", "Åse", "Øystein", "Ingrid", "Håkon", "Solveig", "Anne-Grethe"),
        ("Hansen", "Ødegård", "Bakke", "Lien", "Åsheim", "Nygård-Sæther", "Moen"),
    ),
    Country(
        "US",
        ("United States", "USA", "US", "U.S.A.", "United States of America", "usa"),
        "USD",
        "+1",
        ("Inc.", "LLC", "Corp.", "& Sons Inc."),
        (
            ("Seattle", "98101", "WA"),
            ("Redmond", "98052", "Washington"),
            ("San José", "95113", "CA"),
            ("New York", "10001", "NY"),
            ("Houston", "77002", "Texas"),
        ),
        ("Main Street", "5th Avenue", "Martin Luther King Jr. Blvd", "O'Farrell St"),
        ("James", "Mary", "Robert", "Shawn", "D'Andre", "Linda", "José", "Mary Ann"),
        ("Smith", "O'Brien", "Johnson", "McDonald", "Nguyen", "García", "Van Der Berg"),
    ),
    Country(
        "DE",
        ("Germany", "DE", "DEU", "germany", "Tyskland"),
        "EUR",
        "+49",
        ("GmbH", "GmbH & Co. KG", "AG", "e.K."),
        (
            ("München", "80331", "Bayern"),
            ("Köln", "50667", "NRW"),
            ("Berlin", "10115", ""),
            ("Düsseldorf", "40213", "NRW"),
        ),
        ("Hauptstraße", "Goethestraße", "Am Markt", "Große Bleichen"),
        ("Jürgen", "Käthe", "Hans-Peter", "Anna", "Björn", "Sabine", "Wolfgang"),
        ("Müller", "Schäfer", "Weiß", "Schmidt", "von der Heide", "Groß"),
    ),
    Country(
        "GB",
        ("United Kingdom", "UK", " uk ", "GB", "Storbritannia"),
        "GBP",
        "+44",
        ("Ltd", "PLC", "& Co Ltd", "LLP"),
        (
            ("London", "EC1A 1BB", ""),
            ("Manchester", "M1 1AE", "Lancs"),
            ("King's Lynn", "PE30 1EX", "Norfolk"),
        ),
        ("High Street", "King's Road", "Church Lane", "Unit 4/5, Station Rd"),
        ("Oliver", "Siân", "Amelia", "George", "Zoë", "Harry"),
        ("Taylor", "O'Connor", "Smyth-Jones", "Evans", "MacLeod"),
    ),
    Country(
        "FR",
        ("France", "FR", "FRA", "france"),
        "EUR",
        "+33",
        ("SARL", "SA", "SAS", "& Fils"),
        (("Paris", "75001", "IDF"), ("Besançon", "25000", ""), ("Nîmes", "30000", "")),
        ("Rue de l'Église", "Avenue Foch", "Place d'Armes"),
        ("François", "Hélène", "Jean-Luc", "Zoé", "Benoît"),
        ("Lefèvre", "D'Arc", "Dupont", "L'Hôte", "Géroux"),
    ),
    Country(
        "JP",
        ("Japan", "JP", "JA", "JAP", "japan"),
        "JPY",
        "+81",
        ("K.K.", "G.K.", "株式会社"),
        (("東京", "100-0001", "東京都"), ("Osaka", "530-0001", "Osaka"), ("Kyoto", "600-8216", "")),
        ("Chome", "Marunouchi", "Umeda"),
        ("Haruki", "Yūko", "太郎", "Sakura"),
        ("Satō", "Suzuki", "田中", "Ōno"),
    ),
    Country(
        "IN",
        ("India", "IN", "IND", "india"),
        "USD",
        "+91",
        ("Pvt. Ltd.", "Ltd."),
        (("Mumbai", "400001", "MH"), ("Bengaluru", "560001", "Karnataka")),
        ("M.G. Road", "Link Road"),
        ("Priya", "Arjun", "Lakshmi", "Ravi"),
        ("Sharma", "Patel", "Krishnamurthy", "Iyer"),
    ),
    Country(
        "SE",
        ("Sweden", "Sverige", "SE"),
        "SEK",
        "+46",
        ("AB", "HB"),
        (("Stockholm", "111 20", ""), ("Göteborg", "411 05", ""), ("Malmö", "211 20", "Skåne")),
        ("Storgatan", "Drottninggatan"),
        ("Åsa", "Björn", "Maja", "Göran"),
        ("Svensson", "Öberg", "Lindström"),
    ),
    Country(
        "CA",
        ("Canada", "CA", "CAN"),
        "USD",
        "+1",
        ("Ltd.", "Inc.", "Ltée"),
        (("Montréal", "H2Y 1C6", "Québec"), ("Toronto", "M5H 2N2", "ON")),
        ("Rue Saint-Paul", "King St W"),
        ("Chloé", "Liam", "Noah"),
        ("Tremblay", "Singh", "Roy"),
    ),
)

ODD_COUNTRIES = ("Deutschland", "DEUTSCHLAND", "England", "Great Britain", "Atlantis", "??", "test")
"""Entered now and then; no country code and no English or Norwegian name of a country."""

CURRENCIES = (
    ("USD", "US Dollar", "$", 1.0),
    ("EUR", "Euro", "€", 0.92),
    ("NOK", "Norwegian Krone", "kr", 10.6),
    ("GBP", "Pound Sterling", "£", 0.79),
    ("SEK", "Swedish Krona", "kr", 10.4),
    ("DKK", "Danish Krone", "kr", 6.9),
    ("JPY", "Japanese Yen", "¥", 148.0),
    ("CHF", "Swiss Franc", "CHF", 0.88),
    # F&O of the sandbox does not know this one.
    ("ISK", "Icelandic Króna", "kr", 137.0),
)

STEMS = (
    "Northwind",
    "Adventure",
    "Alpine",
    "Fjord",
    "Contoso",
    "Fabrikam",
    "Litware",
    "Tailspin",
    "Wide World",
    "Proseware",
    "Blue Yonder",
    "Margie's",
    "Coho",
    "Trey",
    "Wingtip",
    "Lucerne",
    "Graphic",
    "Humongous",
    "Fourth",
    "Consolidated",
    "O'Hara & Sons",
    "Ørsta",
    "Große",
    "A/B",
)
BRANCHES = (
    "Traders",
    "Works",
    "Logistics",
    "Foods",
    "Research",
    "Toys",
    "Importers",
    "Seafood",
    "Ski House",
    "Publishing",
    "Design",
    "Energy",
    "Insurance",
    "Cycles",
    "Vineyard",
    "Airlines",
    "Bygg",
    "Maskin",
    "Technik",
    "Elektro",
)
TITLES = (
    "CEO",
    "Purchasing Manager",
    "Daglig leder",
    "Einkäufer",
    "Head of R&D",
    "Accountant",
    "Sales Assistant",
    "Owner",
    "Vice President, Procurement & Logistics",
    "IT/Systems",
)
DEPARTMENTS = ("Purchasing", "Finance", "R&D", "Salg", "Vertrieb", "IT", "Human Resources")

ODD_ACCOUNTS: tuple[dict[str, Any], ...] = (
    {"name": "Contoso & Söhne (Süd/West) 'Export' #1 + 50% GmbH"},
    {"name": "Very long " + "and longer " * 5 + "Company of Brothers"},
    {
        "name": "The Honourable Society for the Advancement of Commerce, Shipping, Fisheries and "
        "Associated Maritime Trades of the Northern Isles and Adjacent Coasts Limited"
    },
    {"name": "Kiosken på hjørnet", "address1_country": "Norge", "address1_city": "Ålesund"},
    {"name": "No Country Ltd", "address1_country": None},
    {"name": "Bäckerei Weiß", "address1_country": "Deutschland"},
    {"name": "Nowhere Trading", "address1_country": "Atlantis"},
    {
        "name": "Blank Everything",
        "telephone1": None,
        "emailaddress1": None,
        "creditlimit": None,
        "address1_line1": None,
        "address1_city": None,
        "address1_country": None,
        "address1_postalcode": None,
        "address1_stateorprovince": None,
        "numberofemployees": None,
    },
    {"name": "Forgotten Number & Co", "accountnumber": None},
    {"name": "Tanaka Shōten 田中商店", "address1_country": "JA"},
    {"name": "Closed Down Corp.", "statecode": 1, "statuscode": 2},
    {
        "name": "Rheinische Werke",
        "address1_country": "Germany",
        "address1_city": "Köln",
        "address1_stateorprovince": "Nordrhein-Westfalen",
    },
    {"name": "No Currency Inc.", "_transactioncurrencyid_value": None},
)

ODD_PEOPLE: tuple[dict[str, Any], ...] = (
    {"firstname": "Maximiliane-Alexandrine Friederike", "lastname": "von Hohenstein-Ackermann"},
    {"firstname": None, "lastname": "Prince"},
    {"firstname": "  Ann ", "lastname": "O'Neil-D'Arcy"},
    {"firstname": "李", "lastname": "小龍", "address1_country": "China"},
    {"firstname": "Nora", "lastname": "Numberless", "msdynce_contactnumber": None},
    {
        "firstname": "Orphan",
        "lastname": "Andersen",
        "_parentcustomerid_value": None,
        "_parentcustomerid_value!": None,
        "msdynce_iscompanyanaccount": False,
        "msdynce_isactivecustomer": False,
    },
    {"firstname": "Active", "lastname": "Customer", "msdynce_isactivecustomer": True},
    {"firstname": "Retired", "lastname": "Rasmussen", "statecode": 1, "statuscode": 2},
)
