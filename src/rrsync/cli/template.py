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
endpoint = "http://127.0.0.1:8080/"    # one URL, or a table: service name -> URL; outside the simulator best left out
source = "RR"                          # RR | KSZ
max_per_second = 8.0                   # shared by every process on this database; MAGDA throttles at 10
max_in_flight = 16                     # shared too; an eighth is kept for the desk
deadline_s = 45                        # from first byte sent to last byte read
subscribe = true                       # a number that MAGDA has no subscription for is subscribed, and asked once more
repertory = "02.00"                    # RegistreerInschrijving and RegistreerUitschrijving: 02.00 | 02.01
sign = false                           # WS-Security; true outside the simulator
signature = "rsa-sha256"               # rsa-sha256 | rsa-sha1
token = "x509v3"                       # x509v3 | pkipath: the certificate alone, or with its chain
certificate = ""                       # client certificate chain and key, for TLS and signing: PEM or PKCS#12
private_key = ""                       # PEM, if the key is in a file of its own
ca = ""                                # PEM bundle that must have signed the server's certificate
verify = "never"                       # signatures of replies: never | if_present | required
trust = ""                             # PEM: the certificates that may sign replies, or their issuers

[night]
stale_after_days = 30                  # who was asked about longer ago is due again
max_unavailable = 10                   # so many replies in a row that cannot be used stop a night

[log]
signing_key = "rrsync.signing"         # made by `rrsync init`, mode 0600; it signs the access logs
signed = "rrsync.signed"               # folder: the last checkpoint signed of each log
evidence = "errors"                    # whole messages, sealed: errors | hash (mix-ups alone) | all

# Where checkpoints are kept out of reach of who keeps the database; outside the simulator at least one.
# [[log.anchor]]
# kind = "file"
# path = "/mnt/elsewhere/rrsync.anchors"
# [[log.anchor]]
# kind = "mail"
# host = "smtp.example"
# sender = "rrsync@library.example"
# to = "dpo@library.example"
# [[log.anchor]]
# kind = "witness"
# url = "https://witness.example/"
# key = "witness.example/w1+1a2b3c4d+BA..."   # as `rrsync witness` prints it

# [log.flags]                          # from how many on an access by a person stands out
# staff = 5                            # different people about one member in a week
# per_hour = 30
# per_day = 100
# refused = 3

# [web]                                # the pages: `rrsync serve`
# host = "127.0.0.1"                   # where they listen, in plain HTTP; put a web server with a certificate before
# port = 8000
# public_url = "https://rrsync.library.example"   # how browsers find them; needed unless it is this machine
# organisation = "OVO000009"           # whose staff work for all libraries here, if anybody's
# outside_per_month = 0                # people who are no member that a library may ask about, by two of its staff

# Who may come in; its secret is the credential rrsync.oidc, or RRSYNC_OIDC_SECRET. Without it, a trial: simulator only.
# [web.oidc]
# issuer = "https://authenticatie.vlaanderen.be/op"
# client_id = "..."
# scopes = ["openid", "vo", "profile"] # and rrn, so that a look at oneself stands out
# role_claim = "rrsync_rol_3d"
# roles = { "RRSync-Balie" = "desk", "RRSync-Beheer" = "operator", "RRSync-DPO" = "dpo" }

# [web.limits]                         # questions at the desk, by one person and by one library
# per_minute = 5
# per_hour = 30
# per_day = 100
# library_per_day = 1000

[[library]]
id = "demo"
name = "Bibliotheek Demo"
sender = "demo.example/bibliotheek"    # MAGDA: Afzender/Identificatie
capacity = "1300"                      # MAGDA: Hoedanigheid
# organisation = "OVO000001"           # the code under which [web.oidc] knows the library
# webhook = "https://wise.example/rrsync"   # where its library system is told of changes: docs/api.md
# opening_hours = "mo-fr 09:00-19:00; sa 09:00-17:00"   # a look at another time stands out in the log
# case_pattern = "[a-z]+-[0-9]+"         # so does a case reference of another shape

[library.authorisation]
decision = "RR 28/2009"                # no authorisation in force, no call
scope = "scopes/libraries.txt"
purposes = ["member-administration", "desk"]
valid_from = 2009-05-18
valid_until = 2099-12-31
"""
