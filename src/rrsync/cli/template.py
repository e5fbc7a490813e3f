"""The settings file that ``rrsync init`` writes."""

from __future__ import annotations

from typing import Final

TEMPLATE: Final = """\
# rrsync: the settings. Any key can also be set by the environment, as in RRSYNC_REGISTRY__ENDPOINT=...
# Relative paths are relative to this file.

language = "nl"                        # words for desk staff: nl | en

[store]
url = "sqlite:///rrsync.db"            # or postgresql+psycopg://user@host/db

[keys]
file = "rrsync.keys"                   # made by `rrsync init`, mode 0600; keep a copy apart from the database

[registry]
environment = "simulator"              # simulator | acceptance | production
endpoint = "http://127.0.0.1:8080/"    # one URL for all services, or a table: service name -> URL
source = "RR"                          # RR | KSZ
max_per_second = 8.0                   # MAGDA throttles at 10
max_in_flight = 16
deadline_s = 45                        # from first byte sent to last byte read
sign = false                           # WS-Security; true outside the simulator
certificate = ""                       # PEM: client certificate chain and key, for TLS and signing
private_key = ""
ca = ""                                # PEM bundle that must have signed the server's certificate

[night]
stale_after_days = 30                  # who was asked about longer ago is due again
max_unavailable = 10                   # so many calls in a row without an answer stop a night

[[library]]
id = "demo"
name = "Bibliotheek Demo"
sender = "demo.example/bibliotheek"    # MAGDA: Afzender/Identificatie
capacity = "1300"                      # MAGDA: Hoedanigheid

[library.authorisation]
decision = "RR 28/2009"                # no authorisation in force, no call
scope = "scopes/libraries.txt"
purposes = ["member-administration", "desk"]
valid_from = 2009-05-18
valid_until = 2099-12-31
"""
