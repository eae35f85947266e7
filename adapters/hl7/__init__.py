"""HL7 v2: reading, acknowledging, and the Minimal Lower Layer Protocol in both directions."""
