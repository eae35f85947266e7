"""A small EHR, apart from the rest: FHIR R4 over HTTP and an inbox page.

It stands in for a hospital's system in the demonstration and in the tests. It is a process of its
own (``python -m adapters.sandbox --home DIR --port N``), keeps its own database, knows nothing of
the service, and imports nothing of it. Synthetic data only: it has no users and no access control.
"""
