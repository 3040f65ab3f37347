"""Words by which shop systems say what became of an order, in English, Danish, Swedish, Norwegian and German.

Taken from the exports of the usual shop systems (order, financial and payment status). `NO_REVENUE` is what is no
revenue, or not yet or no longer all of it; `REVENUE` is the ordinary course of an order.
"""

from __future__ import annotations

_NO_REVENUE = """
cancelled; canceled; cancel; voided; void; refunded; refund; partially refunded; partial refund; fully refunded;
returned; return; partially returned; failed; failure; declined; denied; rejected; expired; pending; pending payment;
payment pending; awaiting payment; awaiting; on hold; hold; unpaid; not paid; partially paid; draft; checkout draft;
abandoned; chargeback; charged back; disputed; reversed; deleted; trash; test; fraud; suspected fraud; payment review;
credit; credited; credit note; incomplete; error; aborted;
annulleret; afbestilt; krediteret; kreditnota; refunderet; delvist refunderet; delvis refunderet; returneret; retur;
afventer; afventer betaling; venter; mislykket; mislykkedes; afvist; fejlet; fejl; ubetalt; ikke betalt; kladde;
slettet; udløbet; ophævet; afbrudt;
annullerad; avbruten; avbokad; avbeställd; makulerad; krediterad; kreditfaktura; återbetald; delvis återbetald;
returnerad; väntar; väntande; väntar på betalning; misslyckad; misslyckades; nekad; avvisad; obetald; ej betald;
utkast; raderad; utgången; annulerad;
kansellert; avbestilt; annullert; makulert; kreditert; refundert; delvis refundert; returnert; på vent; avventer;
avventer betaling; venter på betaling; feilet; avslått; avvist; ikke betalt; utløpt;
storniert; abgebrochen; erstattet; rückerstattet; teilweise erstattet; teilweise rückerstattet; gutgeschrieben;
gutschrift; retourniert; zurückgesendet; rücksendung; ausstehend; offen; zahlung ausstehend; in wartestellung;
wartend; fehlgeschlagen; abgelehnt; unbezahlt; nicht bezahlt; entwurf; gelöscht; abgelaufen; widerrufen;
"""
_REVENUE = """
paid; complete; completed; processing; shipped; delivered; fulfilled; unfulfilled; partially fulfilled; partial;
closed; confirmed; invoiced; sent; done; ok; success; successful; succeeded; captured; settled; active; accepted;
sale; sales; order; purchase; invoice; payment; charge; debit; approved; dispatched; ready for pickup; picked up;
collected; in transit; authorized; new; open; received; in progress;
salg; køb; ordre; faktura; betaling; betalt; gennemført; afsluttet; afsendt; leveret; behandles; fuldført; færdig;
lukket; ekspederet; sendt; modtaget; bekræftet; faktureret; ny; åben; udleveret; afhentet; godkendt;
försäljning; köp; order; betald; slutförd; skickad; levererad; klar; mottagen; bekräftad; fakturerad; öppen; utlämnad;
hämtad; godkänd; avslutad;
fullført; levert; mottatt; bekreftet; fakturert; åpen; utlevert; hentet; godkjent; avsluttet; ferdig;
verkauf; kauf; bestellung; rechnung; zahlung; bezahlt; abgeschlossen; versendet; versandt; geliefert; zugestellt; in
bearbeitung; erledigt; bestätigt; abgeholt; neu; eingegangen; genehmigt; fertig;
"""
# Active codes of ISO 4217 (list one, without funds, metals and test codes).
_CURRENCIES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP
CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD
IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR
MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP
SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XOF
XPF YER ZAR ZMW ZWG
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in " ".join(text.split()).split(";") if word.strip())


NO_REVENUE = _words(_NO_REVENUE)
REVENUE = _words(_REVENUE)
CURRENCIES = frozenset(_CURRENCIES.split())
