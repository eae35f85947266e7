"""True letters about the three charts, typed in several hands."""

BREAST_PROSE = """Sehr geehrte Frau Kollegin Dr. Wiesengrund,

wir berichten über unsere gemeinsame Patientin Frau Anna Lindenberger, geb. 03.04.1961, die sich vom 01.02.2026 bis 20.03.2026 in unserer stationären Behandlung befand.

Diagnosen:
- Mammakarzinom rechts (ICD-10: C50.4), ED 12.11.2025, invasives duktales Karzinom, pT1c pN0 (0/2 sn) cM0, G2, UICC-Stadium IA, ER positiv (90 %), HER2 negativ
- Arterielle Hypertonie (I10.00)
- Hypothyreose (E03.9)

Therapie:
Am 09.12.2025 erfolgte die brusterhaltende Operation mit Sentinel-Lymphknotenbiopsie. Vom 02.02.2026 bis 11.03.2026 führten wir die adjuvante perkutane Strahlentherapie in IMRT-Technik durch. Die Mamma rechts wurde mit 28 x 1,8 Gy bis 50,4 Gy bestrahlt, das Tumorbett mit simultan-integriertem Boost bis 58,8 Gy (Einzeldosis 2,1 Gy). Begleitend wurde Letrozol 2,5 mg täglich fortgeführt.

Verträglichkeit:
Die Behandlung konnte planmäßig abgeschlossen werden. Es traten eine Radiodermatitis Grad 2 und eine Fatigue Grad 1 (CTCAE v5) auf. ECOG 1 bei Entlassung.

Medikation bei Entlassung:
- Ramipril 5 mg 1-0-0
- L-Thyroxin 75 µg 1-0-0

Allergien:
Penicillin

Prozedere:
Eine Mammographie beidseits ist für den 15.06.2026 vorgesehen. Der Nachsorgetermin in der Ambulanz der Strahlenklinik ist am 24.04.2026 um 09:30 Uhr. Wir bitten um konsequente Hautpflege. Bei Fieber oder zunehmender Rötung bitten wir um umgehende Vorstellung.

Mit freundlichen kollegialen Grüßen
"""

BREAST_TELEGRAM = """Strahlenklinik Musterstadt, Musterweg 12, 12345 Musterstadt
Tel.: 0711 4455667, Fax 0711 4455668
Musterstadt, den 23.03.2026

Sehr geehrte Damen und Herren,

Pat.: Lindenberger, Anna, geb. 3.4.61, Pat.-Nr. 4711082

1. Mamma-Ca rechts, C50.4, pT1c pN0 M0, G2, St. IA, Erstdiagnose 11/2025
2. art. Hypertonus, Hypothyreose

Z.n. BET + SLNB 9.12.25
RT 2.2.26 - 11.3.26: Mamma re. GD 50,4 Gy, ED 1,8 Gy, 28 Fx; SIB Tumorbett 58,8 Gy, ED 2,1 Gy
Letrozol seit 12/2025 wurde empfohlen

Tox.: Dermatitis II°, Fatigue I°
Allergie: Penicillin
Med.: Ramipril 5 mg 1-0-0-0; Euthyrox 75 µg 1-0-0
WV 24.4.26, 9.30 Uhr, Ambulanz. Mammographie bds. 15.6.26.
T1-gewichtete MRT-Sequenzen lagen nicht vor. Bestrahlung mit 6 MV Photonen, 5 x pro Woche.

MfG
"""

BREAST_ENGLISH = """Dear colleagues,

We report on Ms Anna Lindenberger (born April 3, 1961), a 64-year-old woman with carcinoma of the right breast (C50.4), pT1c pN0 cM0, stage IA, G2, diagnosed on 12 November 2025.

Treatment:
Breast-conserving surgery with sentinel node biopsy was performed on December 9, 2025. Between 2 February and 11 March 2026 she received adjuvant radiotherapy: 50.4 Gy to the right breast in 28 fractions of 1.8 Gy, with a simultaneous integrated boost to the tumour bed of 5880 cGy. Letrozole 2.5 mg was continued.

Tolerance:
She developed grade 2 radiation dermatitis and grade 1 fatigue. Her ECOG performance status is 1.

Comorbidities: arterial hypertension, hypothyroidism. She is allergic to penicillin.

Medication at discharge: ramipril 5 mg once daily (1-0-0), levothyroxine 75 µg (1-0-0).

Follow-up:
Bilateral mammography is planned for 15 June 2026. Her next appointment is on 24 April 2026 at 9:30 am at our clinic.

Yours sincerely,
"""

LUNG_PROSE = """Dear Dr Fenwick,

Re: Mr Graham Ashworth, DOB 21/08/1957, MRN RX-204418

Thank you for referring this 68-year-old gentleman with adenocarcinoma of the left upper lobe (ICD-10 C34.1), cT2b cN2 cM0, stage IIIA, PD-L1 60%, diagnosed in December 2025. He has a history of COPD.

Treatment:
From 12 January 2026 to 20 February 2026 he received curative radiotherapy to the left lung. The primary tumour was treated with 60 Gy in 30 fractions of 2 Gy and the mediastinal lymph nodes with 54 Gy. Concurrently, two cycles of cisplatin 75 mg/m2 and vinorelbine 25 mg/m² were given, starting on 12 January 2026.

Tolerance:
Treatment was completed as planned. He developed grade 3 oesophagitis (CTCAE v5.0), which settled with pantoprazole 40 mg. ECOG 0, Karnofsky 90%.

Medication at discharge:
- Pantoprazole 40 mg 1-0-0
- Tiotropium inhaled

Plan:
A CT of the chest is scheduled for 2 April 2026. He will be reviewed in the chest clinic on 9 April 2026 at 2 pm. Please contact us in case of fever or dyspnoea.

With kind regards,
"""

LUNG_LISTED = """Dear colleagues,

Mr Ashworth was under our care from January 8 to February 27, 2026.

Diagnosis:
- Adenocarcinoma, left upper lobe, cT2b N2 M0, UICC stage IIIA (12/2025)
- COPD (J44.9)

Radiotherapy:
- Period: 2026-01-12 to 2026-02-20
- Primary tumour: 60 Gy
- Mediastinal lymph nodes: 54 Gy (30 x 1.8 Gy)
- Fractions: 30

Systemic therapy:
- Cisplatin, 75 mg/m², 2 cycles
- Vinorelbine, 25 mg/m², 2 cycles

Toxicity:
- Oesophagitis, grade 3

Performance status: ECOG 0; KPS 90

Medication: pantoprazole 40 mg, tiotropium

Appointments:
- 2 April 2026: CT chest
- 9 April 2026, 14:00: chest clinic

Kind regards
"""

PROSTATE_PROSE = """Sehr geehrter Herr Kollege,

wir berichten über Herrn Karl-Heinz von Östringen, geboren am 30. Dezember 1951, der sich im Zeitraum vom 02.03.2026 bis zum 28.04.2026 in unserer Klinik vorstellte.

Diagnosen:
Prostatakarzinom (C61), Erstdiagnose am 06.10.2025, cT2c cN0 cM0, Gleason 4+3=7, iPSA 14,2 ng/ml
Nebendiagnose: Diabetes mellitus Typ 2 (E11.90)

Strahlentherapie:
Der 74-jährige Patient erhielt vom 03.03. bis 24.04.2026 eine kurative VMAT-Bestrahlung. Prostata und Samenblasen wurden mit 50 Gy in 25 Fraktionen bestrahlt, anschließend folgte ein Boost auf die Prostata mit weiteren 24 Gy in zwölf Fraktionen bis zu einer Gesamtdosis von 74 Gy. Insgesamt wurden siebenunddreißig Fraktionen appliziert. Seit dem 17.11.2025 besteht eine antihormonelle Therapie mit Leuprorelin 11,25 mg alle 3 Monate.

Verlauf:
Es trat eine Zystitis Grad I auf, sonst keine höhergradigen Nebenwirkungen. Der PSA-Wert lag am 20.04.2026 bei 0,8 ng/ml.

Entlassmedikation:
- Metformin 1000 mg 1-0-1
- Tamsulosin 0,4 mg 0-0-1

Termine:
- 09.06.2026, 11:15 Uhr, Ambulanz der Strahlentherapie
- 14.07.2026, 10:00 Uhr, Urologische Praxis

Wir empfehlen PSA-Kontrollen 3-monatlich, erstmals in 6 Wochen.

Mit freundlichen Grüßen
"""

PROSTATE_SHORT = """Lieber Herr Kollege,

vielen Dank für die Überweisung von Herrn von Östringen (*30.12.1951). Bei dem Patienten wurde im Oktober 2025 ein Prostatakarzinom (cT2c N0 M0, Gleason 4 + 3, initialer PSA 14,2 ng/ml) gesichert. Nach Einleitung der Androgendeprivation mit Leuprorelin im November 2025 haben wir die Strahlenbehandlung am 3.3.26 begonnen und am 24.4.26 beendet (Prostata und Samenblasen 50 Gy, Boost 24 Gy; 37 Fraktionen à 2 Gy). Letzter PSA: 0,8 µg/l.
Die Therapie wurde bis auf eine Zystitis (CTCAE Grad 1) gut vertragen. Der Diabetes war gut eingestellt.
Medikamente: Metformin 1000 mg (1-0-1), Tamsulosin 0,4 mg (0-0-1). Nächste Termine: am 9. Juni 2026 um 11.15 Uhr bei uns, am 14. Juli 2026 um 10 Uhr in der Urologischen Praxis.

Herzliche Grüße
"""

BREAST_LETTERHEAD = """Universitätsklinikum Musterstadt · Klinik für Strahlentherapie und Radioonkologie
Direktor: Prof. Dr. med. H. Berger
Sekretariat: Frau Schuster, Tel. +49 711 123-4567

Praxis
Dr. med. Eva Klein
Hauptstraße 5
70173 Stuttgart

20.03.2026

Entlassungsbericht

Betr.: Lindenberger, Anna, geb. am 03.04.1961, wohnhaft Am Hang 7, 70599 Stuttgart
Patientennummer: 4711082, Fallnummer: 2026001877

Sehr geehrte Frau Kollegin Klein,

wir bedanken uns für die freundliche Zuweisung o. g. Patientin, die wir vom 01.02. bis zum 20.03.2026 stationär betreuten.

Onkologische Diagnose:
Invasiv duktales Mammakarzinom der rechten Brust
Erstdiagnose: November 2025
TNM: pT1c, pN0(sn), cM0; Grading: G2; Stadium IA nach UICC
Rezeptorstatus: Östrogenrezeptor positiv, HER2 negativ
ICD-10: C50.4

Nebendiagnosen:
Arterielle Hypertonie
Hypothyreose, substituiert

Bisherige Therapie:
12/2025 brusterhaltende Tumorexzision mit Sentinellymphknotenbiopsie rechts

Aktuelle Therapie:
Zeitraum: 02.02.2026 – 11.03.2026
Technik: IMRT
Zielvolumen 1: Mamma rechts, Einzeldosis: 1,8 Gy, Gesamtdosis: 50,4 Gy
Zielvolumen 2: Tumorbett rechts (SIB), Einzeldosis: 2,1 Gy, Gesamtdosis: 58,8 Gy
Fraktionen: 28/28

Anamnese und Verlauf:
Die 64-jährige Patientin stellte sich postoperativ zur adjuvanten Radiatio der rechten Mamma vor. Nach ausführlicher Aufklärung über Ablauf, mögliche Nebenwirkungen und Risiken willigte sie schriftlich ein. Das Planungs-CT verlief komplikationslos. Die Patientin wurde mit 28 Fraktionen bestrahlt. Im Verlauf entwickelte sich ein Erythem Grad II im Bereich der Bestrahlungsregion, zudem bestand eine leichte Müdigkeit (Grad I). Höhergradige akute Nebenwirkungen traten nicht auf. Der Allgemeinzustand war gut (ECOG 1). Der Hb-Wert betrug zuletzt 12,4 g/dl. Bekannt ist eine Penicillinallergie.

Empfehlungen:
Die endokrine Therapie mit Letrozol (2,5 mg/d) soll für mindestens 5 Jahre fortgesetzt werden. Wir empfehlen eine Mammographie am 15. Juni 2026 sowie regelmäßige Hautpflege mit einer harnstoffhaltigen Creme. Lymphdrainage bei Bedarf. Die Nachsorge sollte in den ersten 3 Jahren alle 3 Monate, im 4. und 5. Jahr alle 6 Monate erfolgen. Wir bitten Frau Lindenberger, sich am Freitag, den 24.04.2026, um 9:30 Uhr in unserer Ambulanz vorzustellen.

Aktuelle Medikation:
Ramipril 5 mg    1-0-0
L-Thyroxin 75 µg    1-0-0

Mit freundlichen Grüßen

Prof. Dr. H. Berger          Dr. K. Wolters
Direktor                     Oberärztin
"""

BREAST_NARRATIVE = """Sehr geehrter Herr Dr. Schmidt,

anbei der Bericht zu Frau Lindenberger.

Frau Lindenberger erhielt zwischen dem 2. Februar und dem 11. März 2026 nach brusterhaltender Operation (9. Dezember 2025) eine adjuvante Strahlentherapie der rechten Brust. Appliziert wurden 50,4 Gy in achtundzwanzig Fraktionen zu je 1,8 Gy; das Tumorbett erhielt simultan 58,8 Gy (28 × 2,1 Gy). Die Verträglichkeit war insgesamt gut, es kam zu einer zweitgradigen Radiodermatitis und einer erstgradigen Fatigue. Die Antihormontherapie mit Letrozol wird fortgeführt. Als Dauermedikation nimmt sie Ramipril und L-Thyroxin wegen der bekannten Hypertonie und Hypothyreose ein. Es besteht eine Allergie gegen Penicillin.

Einen Wiedervorstellungstermin haben wir für den 24.04.2026 vereinbart, eine Mammografie beidseits ist am 15.06.2026 geplant.

Für Rückfragen stehen wir gerne zur Verfügung und verbleiben
mit freundlichen kollegialen Grüßen
"""
LUNG_SUMMARY = """Department of Radiation Oncology
St. Elsewhere Hospital
Phone: (020) 7946 0123   Fax: (020) 7946 0199

28 February 2026

Patient: ASHWORTH, Graham    DOB: 21 Aug 1957    Hospital No: RX-204418

Dear Dr. Fenwick,

Diagnosis: Adenocarcinoma of the lung, left upper lobe; T2b N2 M0; stage IIIA
Date of diagnosis: 1 Dec 2025
Co-morbidity: COPD

Treatment summary
Mr. Ashworth completed a course of radical chemoradiotherapy on 20 February 2026, having started on 12 January 2026. A dose of 60 Gy in 30 daily fractions (2 Gy per fraction) was delivered to the primary tumour, while the mediastinal nodes received 54 Gy in 30 fractions (1.8 Gy per fraction). He was treated once daily, five days a week, using 6 MV photons and VMAT. Concurrent chemotherapy consisted of cisplatin (75 mg/m²) and vinorelbine (25 mg/m²) for two cycles.

Mr. Ashworth, who is 68 years old, tolerated treatment reasonably well. His main problem was grade III oesophagitis, requiring analgesia. There was no evidence of pneumonitis. He did not require admission for this and did not develop neutropenic fever. His performance status at the end of treatment was ECOG 0 (KPS 90%). On examination, he was left with mild discomfort only. All right to continue with his usual activities.

Medications on discharge: pantoprazole 40 mg once a day; tiotropium inhaler.

We have arranged a CT scan of the chest on 2 April 2026, and we will see him in the chest clinic on 9 April 2026 at 14:00. He knows to seek help if he has increasing breathlessness, fever or pain.

Yours sincerely,

Dr Helen Park
Consultant Clinical Oncologist
"""
PROSTATE_CAPITALS = """Sehr geehrte Kolleginnen und Kollegen,

nachfolgend berichten wir über den o.g. Patienten, Herrn Karl-Heinz von Östringen, geb. 30.12.51.

DIAGNOSE: Prostata-Ca, cT2c cN0 cM0, Gleason-Score 7 (4+3), iPSA 14,2 ng/ml, ED 10/25, ICD-10 C61

NEBENDIAGNOSEN: Diabetes mellitus Typ II

THERAPIE:
11/2025 Beginn ADT (Leuprorelin 11,25 mg s.c. alle 3 Monate)
03.03.2026 - 24.04.2026 perkutane Radiotherapie (VMAT):
  Prostata + Samenblasen: 25 x 2 Gy = 50 Gy
  Prostata-Boost: 12 x 2 Gy = 24 Gy
  kumulative Dosis Prostata: 74 Gy in 37 Fraktionen

VERLAUF: Die Behandlung wurde gut toleriert. Unter Therapie Zystitis CTC I°. Keine gastrointestinale Toxizität. Gewicht stabil. PSA am 20.04.26: 0,8 ng/ml.

MEDIKATION BEI ENTLASSUNG:
Metformin 1000 mg 1-0-1-0
Tamsulosin 0,4 mg 0-0-1-0

PROCEDERE: Nachsorge am 9.6.26 um 11.15 Uhr in unserer Ambulanz der Strahlentherapie, urologische Kontrolle am 14.7.26 um 10.00 Uhr. Erste PSA-Kontrolle in 6-8 Wochen. Bei PSA-Anstieg > 2 ng/ml über Nadir bitten wir um Rücksprache.

Mit freundlichen Grüßen
"""
PROSTATE_ENGLISH = """Dear Dr Weber,

Thank you for referring Mr von Östringen (born 30 December 1951), a 74-year-old man with prostate cancer (ICD-10 C61), cT2c cN0 cM0, Gleason 4+3=7, initial PSA 14.2 ng/ml, first diagnosed on 6 October 2025. He also has type 2 diabetes.

Androgen deprivation with leuprorelin 11.25 mg every three months was started on 17 November 2025. External beam radiotherapy was delivered from 03/03/2026 to 04/24/2026: 50 Gy in 25 fractions to the prostate and seminal vesicles followed by a sequential boost of 24 Gy in 12 fractions to the prostate, to a total dose of 74 Gy in 37 fractions.

He experienced grade 1 cystitis. PSA was 0.8 µg/l on 20 April 2026.

Discharge medication: metformin 1000 mg twice daily (1-0-1), tamsulosin 0.4 mg at night (0-0-1).

Appointments:
- June 9, 2026, 11:15 am: radiotherapy outpatient clinic
- July 14, 2026, 10:00 am: urologist

Kind regards
"""
