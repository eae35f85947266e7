"""Invented radiation-oncology cases. No patient behind any of them; every Bundle carries the tag HTEST.

``generate_case(seed, lang=...)`` tells one case in FHIR R4 and in HL7 v2.5.1; the same seed gives the
same case. Codes of the radiotherapy results in OBX-3, system ``99RT``, with OBX-4 ``course.volume``
(``1`` for what belongs to the course, ``1.2`` for its second volume):

=======================  ====================  ====================================
code                     OBX-2, OBX-6          meaning
=======================  ====================  ====================================
RT-COURSE-START          DT                    first fraction
RT-COURSE-END            DT                    last fraction
RT-COURSE-STATUS         ST                    completed, stopped, in-progress
RT-INTENT                ST                    curative, palliative, adjuvant, neoadjuvant
RT-TECHNIQUE             ST                    words of the case's language
RT-SITE                  ST                    words of the case's language
RT-LATERALITY            ST                    left, right, bilateral
RT-FRACTIONS             NM                    fractions delivered in the course
RT-VOLUME-NAME           ST                    words of the case's language
RT-VOLUME-DOSE           NM, Gy                total dose delivered to the volume
RT-VOLUME-FRACTIONS      NM                    fractions delivered to the volume
=======================  ====================  ====================================

Laboratory results carry LOINC codes (``LN``) without a sub-id.
"""

from workers.training.synthetic.case import SyntheticCase, generate_case, write_case
from workers.training.synthetic.tables import SITES

__all__ = ["SITES", "SyntheticCase", "generate_case", "write_case"]
