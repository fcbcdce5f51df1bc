"""What the things of everyday documents are called: field names, and the labels printed before values.

A concept is one row: the names a schema may give it, the labels a document may print (strongest first, groups
separated by ";" lose a little weight each), and the kind of value behind it. Words are written as `labels.normalise`
leaves them: lower case, without accents, "no./nr/#/n°" as "number". The languages are English, German, French,
Italian and some Spanish, as invoices carry them; the terms are standard trade vocabulary (EN 16931, UN/CEFACT).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Concept:
    """A thing that documents state: how schemas name it, how documents label it, what kind its value is."""

    name: str
    kind: str
    names: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]


def _split(text: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for phrase in text.split("|") if phrase.strip())


def _row(name: str, kind: str, names: str, labels: str = "") -> Concept:
    groups = tuple(_split(group) for group in labels.split(";") if group.strip())
    return Concept(name, kind, _split(names), groups)


CONCEPTS: tuple[Concept, ...] = (
    _row(
        "invoice_number",
        "identifier",
        "invoice number|invoice id|invoice|bill number|invoice reference|rechnungsnummer|numero facture|numero fattura",
        "invoice number|rechnungsnummer|rechnung number|rechnungs number|rechnungsnr|facture number|number facture"
        "|numero de facture|number de facture|numero fattura|fattura number|number fattura|invoice id|tax invoice number"
        "|numero de la facture|factura number|numero de factura|number rechnung"
        ";beleg number|belegnummer|belegnr|credit note number|gutschrift number|gutschriftsnummer|avoir number"
        "|handelsrechnung number|abschlagsrechnung number|schlussrechnung number|warenrechnung number"
        "|rechnungskorrektur number|korrekturrechnung number|document number|bill number|number document"
        ";invoice|facture|rechnung|fattura|factura|gutschrift|avoir|tax invoice|receipt number|reference number",
    ),
    _row(
        "receipt_number",
        "identifier",
        "receipt number|receipt id|transaction number|transaction id|slip number|document number|ticket number",
        "receipt number|document number|slip number|cash bill number|bill number|bon number|transaction number"
        "|transaction id|ticket number;invoice number|receipt|document id",
    ),
    _row(
        "order_number",
        "identifier",
        "order number|purchase order number|po number|purchase order|order id|order reference|customer order number|po",
        "purchase order number|po number|order number|purchase order|bestellnummer|bestell number|bestellung number"
        "|order id|auftragsnummer|auftrag number|commande number|numero de commande|number de commande|ordine number"
        "|bestellnr|sales order number|customer po;bestellung|commande|order|po|votre reference|ihre bestellung"
        "|your order|auftrag",
    ),
    _row(
        "customer_number",
        "identifier",
        "customer number|customer id|client number|account number|customer reference|client id",
        "customer number|kundennummer|kunden number|kundennr|ihre kundennummer|customer id|client number|numero client"
        "|number client|code client|codice cliente|account number|client id;customer|kunde",
    ),
    _row(
        "contract_number",
        "identifier",
        "contract number|contract id|policy number|agreement number",
        "contract number|policy number|vertragsnummer|vertrags number|vertrag number|agreement number"
        "|versicherungsnummer|contrat number",
    ),
    _row(
        "delivery_note_number",
        "identifier",
        "delivery note number|delivery number|delivery note",
        "delivery note number|lieferscheinnummer|lieferschein number|lieferung number|bon de livraison number"
        "|delivery number;lieferschein|delivery note",
    ),
    _row(
        "tracking_number",
        "identifier",
        "tracking number|tracking id|shipment number",
        "tracking number|tracking id|shipment number|sendungsnummer|waybill number|awb",
    ),
    _row(
        "case_number",
        "case",
        "case number|docket number|case id|docket|file number|cause number|docket id",
        "case number|docket number|civil action number|cause number|case|docket|aktenzeichen|geschaftszeichen"
        ";file number|index number",
    ),
    _row(
        "case_name",
        "text",
        "case name|case title|case caption|caption",
        "case name|case title|case caption|caption",
    ),
    _row(
        "document_number",
        "identifier",
        "document number|doc number|entry number|docket entry number|document id",
        "document number|docket entry number|entry number|document id;document|belegnummer|doc",
    ),
    _row(
        "docket_text",
        "longtext",
        "docket text|docket entry|docket entry text|entry text",
        "docket text|docket entry|entry text",
    ),
    _row("court", "text", "court|court name|court division", "court|court name|gericht|tribunal"),
    _row(
        "court_id",
        "court_id",
        "court id|court identifier|court code",
    ),
    _row(
        "judge",
        "text",
        "judge|judge name|presiding judge|assigned judge",
        "judge|presiding judge|assigned to|richter",
    ),
    _row("filer", "text", "filer|filed by", "filer|filed by|filing party"),
    _row(
        "date_filed",
        "date",
        "date filed|filing date|filed date|filed on|filed|file date",
        "filed on|date filed|filing date|filed|file date|date of filing|and filed on",
    ),
    _row(
        "issue_date",
        "date",
        "invoice date|issue date|date issued|date of issue|issued on|bill date|invoicing date|issued|date of invoice"
        "|receipt date|transaction date|purchase date|document date|rechnungsdatum|date facture|date of receipt"
        "|date of purchase|purchased on|billing date|sale date|issued at",
        "invoice date|date of invoice|issue date|date issued|date of issue|rechnungsdatum|rechnung datum|rechnungs datum"
        "|belegdatum|beleg datum|ausstellungsdatum|date de facture|date de facturation|date de la facture|date facture"
        "|data fattura|fecha factura|fecha de factura|bill date|receipt date|transaction date|purchase date"
        "|billing date|date d emission|data documento|gutschriftsdatum|data emissione|invoice dated|tax invoice date"
        "|rechnung vom|invoice date tax point|document date"
        ";date|datum|data|fecha|dated;date time|bill start|printed date|trx date",
    ),
    _row(
        "due_date",
        "date",
        "due date|payment due date|payment due|due on|due|date due|payable by|pay by|payment date|maturity date"
        "|payment deadline",
        "due date|payment due date|payment due|date due|due|falligkeit|fallig am|falligkeitsdatum|zahlbar bis"
        "|date d echeance|echeance|date echeance|scadenza|data scadenza|payable by|pay by|payment deadline|zahlungsziel"
        "|fallig|due on|fecha de vencimiento|vencimiento|bitte uberweisen bis|zu zahlen bis|please pay by|please remit until|remit until|payable until|zahlbar bis spatestens|a regler avant le"
        "|zahlbar bis zum|zahlungsfrist|date limite de paiement",
    ),
    _row(
        "delivery_date",
        "date",
        "delivery date|service date|date of delivery|date of service|supply date|ship date|shipping date|shipped on"
        "|performance date",
        "delivery date|service date|date of delivery|date of service|lieferdatum|liefer datum|leistungsdatum"
        "|leistungs datum|liefer und leistungsdatum|date de livraison|ship date|shipping date|supply date|data consegna"
        "|date of supply|lieferdatum leistungsdatum|leistungszeitpunkt",
    ),
    _row(
        "order_date",
        "date",
        "order date|date of order|ordered on|purchase order date",
        "order date|date of order|bestelldatum|bestell datum|auftragsdatum|date de commande|po date|ordered on",
    ),
    _row(
        "effective_date",
        "date",
        "effective date|start date|commencement date|valid from|begins on|effective|begin date|from date",
        "effective date|start date|commencement date|valid from|gultig ab|beginn|start|from|date from|begin date",
    ),
    _row(
        "expiry_date",
        "date",
        "expiration date|expiry date|end date|valid until|expires on|expires|expiry|valid to|to date",
        "expiration date|expiry date|end date|valid until|valid to|expires on|expires|gultig bis|ende|end|exp date"
        "|date to|valid through|expiry",
    ),
    _row(
        "birth_date",
        "date",
        "date of birth|birth date|dob|birthday|birthdate|born",
        "date of birth|birth date|dob|geburtsdatum|date de naissance|born|birthday|birthdate|geboren am|data di nascita",
    ),
    _row(
        "publication_date",
        "date",
        "publication date|date published|published|published on|published date|date of publication",
        "published|published online|submitted on|publication date|date of publication|published on|advance access published on"
        "|veroffentlicht|date published|published electronically|available online",
    ),
    _row(
        "date",
        "date",
        "date|datum|day",
        "date|datum|data|fecha|dated;bill date|invoice date|receipt date|transaction date|issue date|date issued"
        "|rechnungsdatum|date of issue|belegdatum|document date|sales date|order date;bill start|printed date|date time"
        "|trx date|tarikh",
    ),
    _row(
        "time",
        "time",
        "time|time of day|hour|transaction time",
        "time|uhrzeit|zeit|heure|ora|hora|masa",
    ),
    _row(
        "grand_total",
        "money",
        "grand total|total with tax|total including tax|gross total|gross amount|total gross|total amount|invoice total"
        "|total incl tax|total including vat|total incl vat|total ttc|gesamtbetrag|bruttobetrag|montant ttc|total inclusive"
        "|amount including tax|amount with tax|invoice amount|amount total|total invoice amount|total price|total cost"
        "|overall total|total with vat|total amount with tax",
        "grand total|gesamtbetrag|bruttosumme|bruttobetrag|rechnungsbetrag|total ttc|montant ttc|montant total ttc"
        "|total incl vat|total including vat|total incl tax|gesamtbetrag brutto|endbetrag|gesamtsumme|rechnungssumme"
        "|rechnungsendbetrag|invoice total|total gross|gross total|gross amount|totale fattura|rechnungsgesamtbetrag"
        "|bruttogesamtbetrag|rechnungssumme brutto inkl ust|rechnungssumme brutto inkl mwst|gesamtbetrag inkl mwst|total invoice|rechnungssumme brutto|gesamt brutto|summe brutto"
        "|totale documento|total including tax|total inclusive|total inclusive of gst|total incl gst|total mit mwst"
        "|rechnungsbetrag brutto|brutto gesamt|rechnungssumme mit ust|rechnungssumme inkl ust|gesamtbetrag inkl ust"
        "|total with gst|total sales inclusive gst|total sales incl gst|total sales inclusive of gst|total amt incl gst"
        "|importe total|invoice amount|net a payer ttc|gesamtbetrag eur|total t t c|rechnungsbetrag inkl mwst"
        ";total amount|total|gesamt|summe|totale|brutto|betrag brutto|nett total|net total rounded|total rounded"
        ";amount due|total due|balance due|total payable|due payable|amount payable|zahlbetrag|net a payer|zu zahlen|zahlungsbetrag|due",
    ),
    _row(
        "total",
        "money",
        "total|total paid|amount paid|sum|total amount paid|amount|receipt total|bill total|total value|total sum",
        "total rounded|net total rounded|total after rounding|rounded total|round d total|total after adj incl gst"
        "|total amount rounded|total payable|total amount payable|total bill amount|due payable|total amt payable|amount payable|grand total|total due|amount due"
        "|balance due|nett total|total amount due|to pay|net payable|total amt rounded|net amount payable|final total"
        "|total payable amount|total sales rounded|amount to pay|bill total|total rm rounded"
        ";total incl tax|total inclusive of gst|total incl gst|total including gst|total sales inclusive of gst"
        "|total sales incl gst|total sales inclusive gst|total with gst|total amount incl gst|total amt incl gst"
        "|total amount inclusive gst|total inclusive gst|total incl of gst|total including tax|total incl vat"
        "|gesamtbetrag|bruttosumme|bruttobetrag|total ttc|endbetrag|rechnungsbetrag|gesamtsumme|invoice total|total gross"
        "|total with tax|total sales with gst|gross total|rechnungssumme brutto|montant ttc|sales total inclusive gst"
        "|total amount incl of gst|total inclusive|total inc gst|total amount with gst|total inclusive tax"
        "|total sales inclusive|total inclusive of tax"
        ";total|total amount|total amt|total sales|gesamt|summe|totale|amount|net total|net amount|jumlah|net amt|total paid|total amount paid|sales total"
        "|total sale|zu zahlen|zahlbetrag|net a payer|betrag|total bill|amt due|amount total|due",
    ),
    _row(
        "amount_due",
        "money",
        "amount due|balance due|total due|total payable|amount payable|payable amount|due amount|outstanding amount"
        "|amount to pay|balance|zahlbetrag|net payable|payable|due payable amount|open amount",
        "amount due|balance due|total due|total payable|amount payable|total amount due|zahlbetrag|net a payer"
        "|zu zahlen|outstanding amount|zahlungsbetrag|falliger betrag|offener betrag|reste a payer|please pay|due"
        "|total amount payable|total amt payable|to pay|balance|noch zu zahlen|saldo|rechnungsbetrag|payable amount"
        ";total rounded|net total rounded|grand total|nett total|bruttosumme|total ttc|gesamtbetrag|endbetrag"
        "|total inclusive of gst|total incl gst|total incl vat;total|total amount",
    ),
    _row(
        "net_total",
        "money",
        "net total|subtotal|sub total|total without tax|total excluding tax|net amount|total net|amount before tax"
        "|total before tax|total ht|nettobetrag|tax exclusive amount|taxable amount|tax basis|total excl tax"
        "|total excl vat|total excluding vat|net sum|net value|amount net|total amount without tax|total net amount",
        "rechnungssumme ohne ust|rechnungssumme netto excl ust|rechnungssumme netto exkl ust|total ht|montant ht|nettobetrag|net total|total net|nettosumme|total excl vat"
        "|total excluding vat|total excl tax|total without tax|summe netto|gesamt netto|net amount|gesamtbetrag netto"
        "|total excluding gst|total excl gst|total sales excluding gst|netto gesamt|imponibile|totale imponibile"
        "|montant total ht|total h t|gesamtnetto|rechnungssumme netto|nettogesamtbetrag|total hors taxes|summe ohne mwst"
        "|total before tax|netto betrag|base imponible|taxable amount|zwischensumme netto|summe netto eur|rechnungsbetrag netto"
        "|gesamtsumme netto|nettorechnungsbetrag|base ht|total net ht|rechnungssumme ohne mwst|netto summe"
        ";subtotal|sub total|zwischensumme|netto|sous total|positionssumme|warenwert|subtotale|summe positionen|net",
    ),
    _row(
        "tax_total",
        "money",
        "tax total|total tax|tax amount|vat amount|total vat|tax|vat|gst|sales tax|gst amount|vat total|mwst|tva"
        "|ust|steuerbetrag|total tax amount|amount of tax|gst total|total gst|iva",
        "steuerbetrag|total tax|tax total|mwst betrag|ust betrag|total vat|vat amount|total tva|montant tva"
        "|umsatzsteuer gesamt|gesamtbetrag ust|total taxes|summe steuern|tax amount|steuersumme|umsatzsteuerbetrag"
        "|mehrwertsteuerbetrag|total gst|gst amount|gst payable|gst tax|summe ust|summe mwst|gesamtsteuer|steuerbetrag in"
        "|totale iva|montant total tva|vat total|summe umsatzsteuer|sales tax|gst total|steuer gesamt|total t v a"
        "|steuergesamtbetrag|importe iva"
        ";tax|vat|gst|tva|mwst|ust|umsatzsteuer|mehrwertsteuer|zzgl mwst|iva|steuer|zzgl ust|imposta",
    ),
    _row(
        "discount",
        "money",
        "discount|discount amount|total discount|rebate",
        "discount|total discount|rabatt|discount amount|remise|sconto|rebate|disc",
    ),
    _row(
        "shipping",
        "money",
        "shipping|shipping cost|shipping fee|delivery fee|freight|shipping amount|postage",
        "shipping|versandkosten|versand|frais de port|freight|delivery fee|shipping cost|postage|shipping handling"
        "|transportkosten|frachtkosten|delivery charge",
    ),
    _row(
        "service_charge",
        "money",
        "service charge|service fee",
        "service charge|service fee|svc charge|serv charge",
    ),
    _row("tip", "money", "tip|gratuity", "tip|gratuity|trinkgeld|pourboire"),
    _row(
        "rounding",
        "money",
        "rounding|rounding adjustment",
        "rounding|rounding adjustment|rounding adj|rour ding adjustment|rounding adjustments",
    ),
    _row(
        "cash",
        "money",
        "cash|cash paid|tendered|amount tendered|cash tendered|cash received|payment amount",
        "cash|tendered|cash tendered|amount tendered|paid amount|cash received|bar|gegeben|paid|pay|tender|cash payment"
        "|payment|cash rm",
    ),
    _row(
        "change",
        "money",
        "change|change due|change given|cash change",
        "change|change due|cash change|ruckgeld|change amount|rendu|wechselgeld",
    ),
    _row(
        "currency",
        "currency",
        "currency|currency code|invoice currency|iso currency|currency iso code|wahrung|devise",
        "currency|wahrung|rechnungswahrung|devise|valuta|currency code|invoice currency|moneda|monnaie",
    ),
    _row(
        "iban",
        "iban",
        "iban|bank account iban|account iban|seller iban|iban number",
        "iban|iban number|verkaufer iban|bankverbindung|compte bancaire|iban code|konto",
    ),
    _row(
        "bic",
        "bic",
        "bic|swift|swift code|bic code|bic swift",
        "bic|swift|swift code|bic swift|swift bic|verkaufer bic",
    ),
    _row(
        "payment_terms",
        "text",
        "payment terms|terms of payment|terms|payment conditions|zahlungsbedingungen",
        "payment terms|terms of payment|zahlungsbedingungen|terms|conditions de paiement|condizioni di pagamento"
        "|payment conditions|zahlungskonditionen|zahlungsbedingung|conditions de reglement",
    ),
    _row(
        "payment_method",
        "text",
        "payment method|payment mode|method of payment|payment type|paid by|zahlungsart",
        "payment method|payment mode|method of payment|zahlungsart|mode de paiement|payment type|zahlungsweise|paid by"
        "|mode de reglement|modalita di pagamento",
    ),
    _row(
        "cashier",
        "text",
        "cashier|operator|served by|salesperson",
        "cashier|operator|served by|salesperson|kassierer|bedient von",
    ),
    _row(
        "phone",
        "phone",
        "phone|telephone|phone number|tel|telephone number|mobile|contact number|mobile number|cell|telefon|cell phone",
        "phone|phone number|telephone|telephone number|mobile|telefon|cell|telefono|mobile number|handy|contact number"
        "|mobil|portable|call|phone fax|hotline",
    ),
    _row("fax", "phone", "fax|fax number|telefax", "fax|fax number|telefax|facsimile"),
    _row(
        "email",
        "email",
        "email|e mail|email address|mail|e mail address|contact email|emails",
        "email|e mail|email address|mail|courriel|e mail address|contact email|e",
    ),
    _row(
        "website",
        "uri",
        "website|url|web|homepage|web site|web address|web page|site",
        "website|web|homepage|internet|url|www|site web|web site|online",
    ),
    _row(
        "address",
        "address",
        "address|street address|postal address|mailing address|full address|anschrift|adresse|location address",
        "address|anschrift|adresse|indirizzo|postal address|mailing address|street address|direccion|alamat",
    ),
    _row(
        "registration_number",
        "identifier",
        "registration number|company registration number|company number|business registration number|reg number"
        "|company registration|register number|hrb",
        "company registration number|registration number|reg number|company number|co reg|roc number|handelsregisternummer"
        "|siret|siren|hrb number|hrb|business registration number|co reg number|rcs|co number|co registration number",
    ),
    _row(
        "gst_number",
        "identifier",
        "gst number|gst id|gst registration number|tax id|tax number|tax registration number|tin|ein|gst reg number"
        "|gst registration|steuernummer|gst id number|tax identification number",
        "gst id|gst number|gst reg number|gst registration number|tax id|tax number|steuernummer|tin|ein|gst id number"
        "|steuer number|tax registration number|gst reg|tax identification number|gst registration|abn|st number",
    ),
    _row(
        "vat_id",
        "vat_id",
        "vat id|vat number|vat identification number|vat registration number|vat reg number|ust id|uid|vat|tva number"
        "|numero tva|ust idnr|partita iva|vat no|tax vat id",
        "vat id|vat number|vat identification number|vat registration number|vat reg number|ust id|ust idnr|ust id nr"
        "|ust id number|umsatzsteuer id|umsatzsteuer identifikationsnummer|tva|number tva|tva number|number tva intracommunautaire"
        "|tva intracommunautaire|partita iva|p iva|uid|ustid|ust id nummer|ustidnr|numero tva|umsatzsteuer idnr|uid number"
        "|ust identnr|umsatzsteueridentnummer|umsatzsteuer ident number|vat reg|mwst number|ust ident number|umsatzsteuer id nr"
        "|number tva client|vat|tva intra|identifiant tva|number de tva|umsatzsteuer id number|ust nr|ust number",
    ),
    _row(
        "abstract",
        "longtext",
        "abstract|summary|abstract text|zusammenfassung",
        "abstract|summary|zusammenfassung|resume|riassunto|a b s t r a c t",
    ),
    _row(
        "keywords",
        "keywords",
        "keywords|key words|keyword list|index terms|keyword",
        "keywords|key words|keyword|index terms|k e y w o r d s|key words and phrases|schlusselworter|mots cles"
        "|keywords and phrases|schlagworter|parole chiave",
    ),
    _row(
        "doi",
        "doi",
        "doi|digital object identifier",
        "doi|digital object identifier",
    ),
    _row("arxiv_id", "arxiv", "arxiv id|arxiv|arxiv number|arxiv identifier", "arxiv|arxiv id"),
    _row("issn", "identifier", "issn|e issn", "issn|e issn|issn number"),
    _row("isbn", "identifier", "isbn|isbn number|isbn 13", "isbn|isbn number"),
    _row(
        "subject",
        "text",
        "subject|re|subject line|email subject",
        "subject|re|betreff|objet|oggetto|asunto|regarding",
    ),
    _row(
        "sender",
        "text",
        "sender|from|email from|sent by|from address",
        "from|von|sender|de|absender",
    ),
    _row(
        "recipient", "text", "recipient|to|email to|sent to|recipients", "to|an|recipient|empfanger"
    ),
    _row(
        "quantity",
        "number",
        "quantity|qty|count|units|number of units|menge|quantite|item count",
        "quantity|menge|quantite|qty|units|anzahl|quantita|cantidad|pcs|stuck|qte|q ty|hours|unit qty",
    ),
    _row(
        "unit_price",
        "money",
        "unit price|price per unit|price|unit cost|rate|net price|price each|item price|einzelpreis|u price",
        "unit price|einzelpreis|nettopreis|price|prix unitaire|u price|rate|preis|prezzo unitario|unit cost|prix|e preis"
        "|einzel preis|price per unit|prezzo|ep|pu ht|prix unitaire ht|p u|s price|stuckpreis|precio|preis pro einheit",
    ),
    _row(
        "line_total",
        "money",
        "line total|line amount|amount|total|net amount|line net amount|total price|extended price|item total|sum|position total"
        "|betrag|subtotal|line value",
        "line total|positionsbetrag ohne ust|positionsbetrag|gesamtpreis|nettobetrag|amount|betrag|total|montant ht|prix ht"
        "|entgelt|nettowert|gesamt|montant|total ht|line amount|importo|extended price|total price|summe|net amount"
        "|amount rm|g preis|gesamtbetrag|wert|amt|positionssumme|preis gesamt|gesamt netto|importe|netto|positions betrag"
        "|positions betrag ohne ust|total price|amount usd|ext price|totale|line net amount|zeilensumme",
    ),
    _row(
        "item_description",
        "text",
        "description|item|item name|product|product name|article|name|article name|item description|product description"
        "|designation|title|service|details|goods",
        "description|beschreibung|bezeichnung|artikelbezeichnung|item|product|designation|article|artikel|item name"
        "|descrizione|libelle|produit|leistung|desc|item description|details|service|product name|code desc|particulars"
        "|descripcion|text|artikelbeschreibung|name|produkt|warenbezeichnung|leistungsbeschreibung|bezeichnung der leistung",
    ),
    _row(
        "item_code",
        "identifier",
        "item code|sku|product code|article number|item number|code|article id|product id|part number|ean|gtin|product number",
        "item code|sku|product code|article number|artikelnummer|artikel number|art number|item number|code|part number|gtin|ean"
        "|reference|ref|artikelnr|art number lief|art number kunde|art number|product id|art number lieferant|material",
    ),
    _row(
        "unit",
        "text",
        "unit|unit of measure|uom|einheit|measure",
        "unit|uom|einheit|unite|me|unit of measure|um|eh",
    ),
    _row(
        "tax_rate",
        "percent",
        "tax rate|vat rate|vat percent|tax percent|gst rate|vat percentage|tax percentage",
        "tax rate|vat rate|ust|mwst|steuersatz|ust satz|mwst satz|taux tva|tva|vat|tax|mwst %|ust %|aliquota iva|steuer"
        "|taxes|vat %|tax %",
    ),
    _row(
        "position",
        "number",
        "position|line number|pos|line|item position|number|index|row|line id",
        "pos|position|line|number|ligne|lfd number|line number|item|pos number",
    ),
    _row("age", "number", "age|age years|patient age", "age|alter|eta|edad"),
    _row("gender", "text", "gender|sex", "gender|sex|geschlecht|sexe"),
    _row(
        "nationality",
        "text",
        "nationality|citizenship",
        "nationality|nationalitat|citizenship|nationalite|staatsangehorigkeit",
    ),
    _row(
        "title",
        "title",
        "title|paper title|article title|document title|titel|titre|heading",
        "title|titel|titre|titolo",
    ),
    _row(
        "authors",
        "authors",
        "authors|author names|author|author list|writers",
        "authors|author|by|autoren|auteurs|author s",
    ),
    _row(
        "affiliations",
        "affiliations",
        "affiliations|author affiliations|institutions|affiliation|institution",
        "affiliations|affiliation|author affiliations",
    ),
    _row(
        "governing_law",
        "text",
        "governing law|applicable law|law|jurisdiction",
        "governing law|applicable law",
    ),
    _row("status", "text", "status|state|order status|payment status", "status|zustand|stato|etat"),
    _row(
        "notes",
        "longtext",
        "notes|note|comments|remarks|comment|remark",
        "notes|note|comments|remarks|comment|bemerkungen|bemerkung|remark",
    ),
)

SELLER = frozenset(
    _split(
        "seller|vendor|supplier|merchant|company|store|shop|issuer|biller|payee|provider|lieferant|verkaufer|fournisseur"
        "|vendeur|emetteur|sender company|retailer|business|store name|company name|merchant name|vendor name|seller name"
        "|supplier name|from company|rechnungsersteller|rechnungssteller|issuing company|fornitore|cedente|proveedor"
        "|restaurant|establishment|issuer name|shop name|business name|biller name|service provider|contractor"
    )
)
BUYER = frozenset(
    _split(
        "buyer|customer|client|bill to|billed to|purchaser|invoice to|kaufer|kunde|acheteur|payer"
        "|rechnungsempfanger|leistungsempfanger|kaufer leistungsempfanger|sold to|debtor|customer name|client name|buyer name"
        "|cliente|cessionario|billing|invoiced to|auftraggeber|bill to name|besteller"
    )
)
# Headings of a third party, under which no field of the seller or the buyer stands.
OTHER_PARTY = frozenset(
    _split(
        "ship to|deliver to|delivery address|lieferadresse|warenempfanger|abweichender warenempfanger|lieferanschrift"
        "|adresse de livraison|livraison|abweichender rechnungsempfanger|zahlungsempfanger|abweichender zahlungsempfanger"
        "|shipping address|abweichender lieferort|leistungsort|steuervertreter|agent"
        "|delivery|sold by agent|warenempfanger lieferort|lieferort|ship to address|endempfanger"
        "|versandadresse|rechnungsadresse abweichend|bank|bankverbindung|coordonnees bancaires|bank details"
    )
)
SELLER_HEADINGS = SELLER | frozenset(
    _split(
        "from|absender|von|bill from|invoice from|remit to|verkaufer lieferant|lieferant verkaufer|leistungserbringer"
        "|rechnungssteller verkaufer|fournisseur vendeur|leistender unternehmer|issued by|sold by|sender"
    )
)
BUYER_HEADINGS = BUYER | frozenset(
    _split(
        "to|an|recipient|destinataire|addressee|empfanger|invoice address|billing address|rechnungsadresse|rechnungsanschrift|adresse de facturation|invoice to"
        "|factured to|kunde kaufer|kaufer kunde|client facture|billed to|adresse facturation"
        "|rechnungsempfanger kaufer|kunde rechnungsempfanger|customer details|buyer details|client details|sold to party"
    )
)

# Role of a field inside a party: what is left of its name once the party's word is taken away.
PARTY_ROLES: dict[str, frozenset[str]] = {
    "name": frozenset(
        _split(
            "name|company name|company|full name|legal name|business name|organisation|organization|firm"
        )
    ),
    "postcode": frozenset(
        _split(
            "postcode|postal code|zip|zip code|plz|post code|zipcode|code postal|cap|postleitzahl"
        )
    ),
    "city": frozenset(_split("city|town|ort|ville|stadt|place|citta|locality|municipality")),
    "street": frozenset(
        _split(
            "street|street address|address line|address line 1|strasse|rue|road|line 1|street and number|street name"
        )
    ),
    "country": frozenset(_split("country|land|pays|country name|nation|country code")),
    "address": frozenset(
        _split(
            "address|postal address|full address|mailing address|anschrift|adresse|location|billing address"
        )
    ),
    "vat_id": frozenset(
        _split(
            "vat id|vat number|vat identification number|vat|vat registration number|ust id|ust idnr|tva|uid|vat no"
        )
    ),
    "tax_number": frozenset(
        _split("tax id|tax number|tax registration number|steuernummer|gst number|gst id|tax no")
    ),
    "phone": frozenset(_split("phone|telephone|phone number|tel|mobile|telefon")),
    "email": frozenset(_split("email|e mail|mail|email address")),
}

# Words that change what a label means: "order date" is not a kind of "date due".
QUALIFIERS = frozenset(
    _split(
        "due|tax|vat|net|gross|sub|birth|delivery|order|ship|shipping|expiry|previous|page|version|print|printed|effective"
        "|discount|rounding|change|qty|quantity|item|items|unit|line|excl|excluding|exclusive|without|before|ohne|hors|ht"
        "|savings|saving|points|balance|opening|closing|weight|volume|deposit|advance|paid|received|refund|round|adjustment"
        "|customer|client|buyer|seller|vendor|supplier|kaufer|kunde|acheteur|debitor|bank|account|fax|phone|mobile|email|gst|lieferschein|bestell|auftrag"
        "|kunden|leistungs|liefer|summary|from|to|start|end|valid|expiration|count|number|id|date|time|code|rate|percent"
        "|supplies|sst|cess|service|tip|member|card|serial|batch|terminal|shift|store|original|last|first|next|alt|old|new|short|running|basis|base|basisbetrag|steuerbasisbetrag|taxable"
    )
)
