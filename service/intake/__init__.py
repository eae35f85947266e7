"""What a message or resource means for one case, and what its sender is told. Pure rules.

message.py    HL7 v2: header rules, event, case, fields
events.py     HL7 v2: which event a type and trigger are
numbers.py    HL7 v2: patient, visit and former numbers as keys
encounter.py  FHIR R4 Encounter: the same reading
notification.py  FHIR R4 Subscriptions: which visits are told of
answer.py     acknowledgement modes and conditions
identity.py   case keys and times, shared by both
"""

from service.intake.answer import answer, is_acknowledgment
from service.intake.encounter import is_test_data, understand_encounter
from service.intake.message import acknowledge, is_on_trial, understand
from service.intake.notification import Notification, read_notification

__all__ = [
    "Notification",
    "acknowledge",
    "answer",
    "is_acknowledgment",
    "is_on_trial",
    "is_test_data",
    "read_notification",
    "understand",
    "understand_encounter",
]
