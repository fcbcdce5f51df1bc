"""Receipts to be drawn, read and extracted from: their lines, and the date and total that they state."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from PIL import Image, ImageDraw, ImageFont

from tests.documents.pictures import BOLD, FONTS, MONO, SANS, SERIF, scanned


@dataclass(frozen=True)
class Case:
    """``text``: two spaces part the cells of a row."""

    text: str
    date: date
    total: Decimal


CASES = [
    Case(
        """GREENFIELD GROCERS
12 Mill Lane, Leeds LS2 8JT
Tel: 0113 496 0812
Date: 14/03/2024  Time: 17:42
Milk 2L  1.65
Bread wholemeal  1.20
Bananas 0.842 kg  0.93
Free range eggs x12  3.10
Subtotal  6.88
VAT 0%  0.00
TOTAL  GBP 6.88
Card  6.88
Thank you for shopping with us""",
        date(2024, 3, 14),
        Decimal("6.88"),
    ),
    Case(
        """Bäckerei Krüger GmbH
Hauptstraße 17, 10827 Berlin
Steuernummer: 27/123/45678
Bon-Nr. 004512
Datum: 03.11.2023  08:15 Uhr
2 x Brötchen  0,90 EUR
1 x Roggenbrot  3,85 EUR
1 x Käsekuchen  2,70 EUR
Zwischensumme  7,45 EUR
MwSt 7%  0,49 EUR
Gesamtbetrag  7,45 EUR
Bar  10,00 EUR
Rückgeld  2,55 EUR
Vielen Dank für Ihren Einkauf!""",
        date(2023, 11, 3),
        Decimal("7.45"),
    ),
    Case(
        """CAFÉ DES ARTS
8 rue de la République, 69001 Lyon
SIRET 812 345 678 00012
Date : 21/06/2024
Table 7  Couverts 2
2 Menu du jour  39,80
1 Bouteille d'eau  4,50
2 Café  5,00
Sous-total  49,30
TVA 10%  4,48
Total TTC  49,30 EUR
Merci de votre visite""",
        date(2024, 6, 21),
        Decimal("49.30"),
    ),
    Case(
        """STAR MART #2214
4500 W Alameda Ave, Denver CO 80219
2024-07-09 11:58 AM
ITEM  QTY  PRICE  AMOUNT
Paper towels  2  4.99  9.98
Dish soap  1  3.49  3.49
AA batteries 8pk  1  12.79  12.79
Trash bags 30ct  3  7.25  21.75
SUBTOTAL  48.01
SALES TAX 8.81%  4.23
TOTAL  $52.24
VISA ****1881  $52.24
CHANGE DUE  $0.00""",
        date(2024, 7, 9),
        Decimal("52.24"),
    ),
    Case(
        """FARMACIA CENTRAL
Calle Mayor 45, 28013 Madrid
NIF B12345678
Fecha: 30/09/2024
Ibuprofeno 600 mg  4,95
Crema solar SPF50  14,20
Tiritas  2,35
Base imponible  17,77
IVA 21%  3,73
TOTAL  21,50 EUR
Gracias por su compra""",
        date(2024, 9, 30),
        Decimal("21.50"),
    ),
    Case(
        """HARBOUR HARDWARE LTD
Unit 3, Quay Road, Bristol BS1 6XN
VAT No. GB 123 4567 89
INVOICE NO: HH-20391
DATE: 5 January 2025
Qty  Description  Unit  Amount
10  Wood screws 4x40  0.12  1.20
2  Hinge, brass 75mm  3.95  7.90
1  Masonry drill 8mm  6.49  6.49
NET  12.99
VAT 20%  2.60
TOTAL DUE  15.59
PAID BY CARD  15.59""",
        date(2025, 1, 5),
        Decimal("15.59"),
    ),
    Case(
        """KEDAI RUNCIT MAJU SDN BHD
No. 21, Jalan Tun Razak 5/3
50400 Kuala Lumpur
Date: 18-02-2023 19:20
Cashier: Aminah
Beras 5kg  1  26.90  26.90
Minyak masak 2L  1  14.50  14.50
Telur gred A  2  13.20  26.40
Total Qty: 4
Total  RM 67.80
Rounding  RM 0.00
Cash  RM 70.00
Change  RM 2.20
TERIMA KASIH""",
        date(2023, 2, 18),
        Decimal("67.80"),
    ),
    Case(
        """PARKHAUS AM MARKT
Einfahrt: 12.08.2024 09:04
Ausfahrt: 12.08.2024 12:31
Belegdatum: 12.08.2024
Parkdauer 3 h 27 min
Gebühr  8,00 EUR
inkl. 19% MwSt  1,28 EUR
Summe  8,00 EUR
Gegeben EC-Karte  8,00 EUR""",
        date(2024, 8, 12),
        Decimal("8.00"),
    ),
    Case(
        """THE BLUE DOOR BISTRO
221 Queen Street, Auckland 1010
GST No 101-234-567
Date: 22 Aug 2024  Order 1187
Fish and chips  24.50
Garden salad  12.00
Flat white x2  11.00
Service  4.75
Total incl. GST  NZD 52.25
EFTPOS  52.25
Ka kite ano!""",
        date(2024, 8, 22),
        Decimal("52.25"),
    ),
    Case(
        """ELECTRO WORLD
Piazza Garibaldi 9, 20121 Milano
P.IVA 01234567890
Data: 02/12/2024
Cavo HDMI 2 m  12,90
Mouse senza fili  24,99
Batteria esterna 10000 mAh  1.029,00
Subtotale  1.066,89
di cui IVA 22%  192,39
Totale EUR  1.066,89
Carta di credito  1.066,89""",
        date(2024, 12, 2),
        Decimal("1066.89"),
    ),
]


def receipt(text: str, *, seed: int) -> Image.Image:
    """The receipt as a scan at 150 dpi: in some face and layout, a little crooked, soft, grainy."""
    chance = random.Random(seed)
    face, size = chance.choice([SANS, SERIF, MONO, BOLD]), 19
    font = ImageFont.truetype(str(FONTS / face), chance.randint(size - 1, size + 3))
    lines = [[cell for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]
    gap = 1.6 * font.size
    width = max(sum(font.getlength(c.strip()) + gap for c in cells) for cells in lines if cells)
    width, step = int(max(width, 420)), font.size * chance.uniform(1.3, 1.7)
    picture = Image.new("RGB", (width + 90, int(len(lines) * step) + 110), "white")
    draw = ImageDraw.Draw(picture)
    head = chance.random() < 0.5
    for row, cells in enumerate(lines):
        top = 50 + row * step
        if head and row < 2 and len(cells) == 1:  # the head in the middle
            left = 45 + (width - font.getlength(cells[0])) / 2
            draw.text((left, top), cells[0], fill="black", font=font)
            continue
        right = 45.0 + width
        for at in range(len(cells) - 1, 0, -1):  # the cells behind the first stand at the right
            right -= font.getlength(cells[at].strip())
            draw.text((right, top), cells[at].strip(), fill="black", font=font)
            right -= gap
        if cells:
            draw.text((45, top), cells[0].strip(), fill="black", font=font)
    return scanned(
        picture,
        skew=chance.uniform(-2, 2),
        blur=chance.uniform(0.3, 0.9),
        noise=chance.randint(20, 90),
        seed=seed,
    )
