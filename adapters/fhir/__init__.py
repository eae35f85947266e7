"""The neighbour that speaks FHIR R4: a client, the EHR's inbox, the chart at the EHR."""
