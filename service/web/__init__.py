"""What people and machines see of the service: review, operations, health, FHIR intake."""
